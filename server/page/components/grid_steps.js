// Where a key leads in rows of pictures.

/**
 * Return the position that a key leads to, maybe beyond the ends; null where it leads nowhere.
 *
 * @param {string} key
 * @param {number} from
 * @param {number} columns pictures in a row
 * @param {number} rows that are in sight
 * @param {number} last
 * @returns {number|null}
 */
export function stepped(key, from, columns, rows, last) {
  switch (key) {
    case "ArrowRight":
    case "j":
      return from + 1;
    case "ArrowLeft":
    case "k":
      return from - 1;
    case "ArrowDown":
      return from + columns;
    case "ArrowUp":
      return from - columns;
    case "PageDown":
      return from + rows * columns;
    case "PageUp":
      return Math.max(0, from - rows * columns);
    case "Home":
      return 0;
    case "End":
      return last;
    default:
      return null;
  }
}
