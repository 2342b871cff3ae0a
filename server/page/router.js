// The address says what is seen: `#/view?parameter=value`.

/** @typedef {{view: string, params: URLSearchParams}} Place */

/** Return what an address asks for. @returns {Place} */
export function here(hash = location.hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  return { view: path.split("/")[0], params: new URLSearchParams(query) };
}

/**
 * Return an address.
 *
 * @param {string} view
 * @param {URLSearchParams|Record<string, any>} [params] lists become several; empty ones are left out
 */
export function address(view, params = {}) {
  const query = params instanceof URLSearchParams ? params : new URLSearchParams();
  if (!(params instanceof URLSearchParams)) {
    for (const [key, value] of Object.entries(params)) {
      for (const each of Array.isArray(value) ? value : [value]) {
        if (each !== null && each !== undefined && each !== "" && each !== false)
          query.append(key, String(each));
      }
    }
  }
  const text = query.toString().replaceAll("%2C", ",");
  return `#/${view}${text ? `?${text}` : ""}`;
}

/**
 * Go somewhere.
 *
 * @param {string} view
 * @param {URLSearchParams|Record<string, any>} [params]
 * @param {{replace?: boolean}} [options] `replace` leaves no step to come back to
 */
export function go(view, params = {}, { replace = false } = {}) {
  const target = address(view, params);
  if (target === location.hash) return;
  if (replace) {
    history.replaceState(history.state, "", target);
    dispatchEvent(new HashChangeEvent("hashchange"));
  } else {
    location.hash = target;
  }
}
