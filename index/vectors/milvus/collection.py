"""The collection of one catalog, and the small one beside it that holds its stamp."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from index.errors import VectorStoreError
from index.records import Floats, Ids
from index.vectors.milvus.connection import ANSWER_SECONDS, Connection, is_missing
from index.vectors.milvus.kinds import Kind
from index.vectors.milvus.stamp import Stamp

# Rows written, and ids deleted, at a time; a message to a server may hold 64 MB.
ROWS, DELETED = 512, 8192
STAMP_LENGTH = 4096
# How often the two are read again because another process was faster.
ATTEMPTS = 5
STRONG = {"consistency_level": "Strong", "timeout": ANSWER_SECONDS}


class Collection:
    """Vectors under the ids of their images, on a server or in a file.

    Parameters
    ----------
    connection
        To where it is.
    name
        Of the collection; its stamp lies in one of this name and `_state`.
    dim, dtype
        Length of a vector, and what the catalog stores its components as.
    """

    def __init__(self, connection: Connection, name: str, dim: int, dtype: str) -> None:
        self.connection = connection
        self.name = name
        self._state = f"{name}_state"
        self._dim = dim
        self._dtype = dtype
        self._lite: bool | None = None

    @property
    def is_lite(self) -> bool:
        """Whether Milvus Lite keeps it."""
        if self._lite is None:
            self._lite = self.connection.is_lite
        return self._lite

    @property
    def components(self) -> str:
        """What the components of its vectors are: Milvus Lite has no float16."""
        return "float32" if self.is_lite else self._dtype

    def create(self, kind: Kind) -> None:
        """Make both collections, empty, in place of what there is of these names."""
        from pymilvus import DataType

        self.drop()
        half = self.components == "float16"
        kinds = {False: DataType.FLOAT_VECTOR, True: DataType.FLOAT16_VECTOR}
        self._create(self._state, kinds[False], 2, Kind("FLAT"), "stamp", DataType.VARCHAR)
        self._create(self.name, kinds[half], self._dim, kind, "generation", DataType.INT64)

    def _create(
        self, name: str, vector: Any, dim: int, kind: Kind, beside: str, beside_type: Any
    ) -> None:
        from pymilvus import DataType

        with self.connection.client() as client:
            schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field("id", DataType.INT64, is_primary=True)
            schema.add_field("vector", vector, dim=dim)
            length = {"max_length": STAMP_LENGTH} if beside_type == DataType.VARCHAR else {}
            schema.add_field(beside, beside_type, **length)
            index = client.prepare_index_params()
            params = dict(kind.build)
            index.add_index("vector", index_type=kind.name, metric_type="IP", params=params)
            client.create_collection(name, schema=schema, **STRONG)
            # The index of nothing is not waited for: to load waits for what there is of it.
            client.create_index(name, index, timeout=ANSWER_SECONDS, sync=False)
            client.load_collection(name, timeout=ANSWER_SECONDS)

    def drop(self) -> None:
        """Remove both collections."""
        with self.connection.client() as client:
            # The stamp first: vectors without one are no collection.
            for name in (self._state, self.name):
                if client.has_collection(name, timeout=ANSWER_SECONDS):
                    client.drop_collection(name, timeout=ANSWER_SECONDS)

    def is_ours(self) -> bool:
        """Say whether there is one that takes this catalog's vectors, and make it ready."""
        with self.connection.client() as client:
            for name in (self._state, self.name):
                if not client.has_collection(name, timeout=ANSWER_SECONDS):
                    return False
            fields = client.describe_collection(self.name, timeout=ANSWER_SECONDS)["fields"]
            found = {each["name"]: each for each in fields}
            if set(found) != {"id", "vector", "generation"}:
                return False
            if int(found["vector"]["params"].get("dim", 0)) != self._dim:
                return False
            half = "FLOAT16" in getattr(found["vector"]["type"], "name", "")
            if half != (self.components == "float16"):
                return False
            for name in (self._state, self.name):
                client.load_collection(name, timeout=ANSWER_SECONDS)
        return True

    def stamp(self) -> Stamp | None:
        """Return the stamp, None where there is none that can be read."""
        try:
            with self.connection.client() as client:
                rows = client.get(self._state, ids=[0], output_fields=["stamp"], **STRONG)
        except VectorStoreError as error:
            if is_missing(error):
                return None
            raise
        return Stamp.decoded(rows[0]["stamp"]) if rows else None

    def counted_stamp(self) -> tuple[Stamp | None, int]:
        """Return the stamp, and how many images there are while it stands there.

        None where there is no collection for this catalog, or where it is being removed.
        """
        try:
            return self._counted_stamp() if self.is_ours() else (None, 0)
        except VectorStoreError as error:
            if is_missing(error):
                return None, 0
            raise

    def _counted_stamp(self) -> tuple[Stamp | None, int]:
        for _ in range(ATTEMPTS):
            stamp = self.stamp()
            count = self.count() if stamp is not None else 0
            if stamp is None or stamp.target is not None or count == stamp.count:
                break
            # Another process may have begun to write between the one and the other.
            if self.stamp() == stamp:
                break
        return stamp, count

    def write_stamp(self, stamp: Stamp) -> None:
        """Replace the stamp."""
        row = {"id": 0, "vector": [1.0, 0.0], "stamp": stamp.encoded()}
        with self.connection.client() as client:
            client.upsert(self._state, [row], timeout=ANSWER_SECONDS)

    def count(self) -> int:
        """Return how many images it has."""
        with self.connection.client() as client:
            [row] = client.query(self.name, filter="", output_fields=["count(*)"], **STRONG)
        return int(row["count(*)"])

    def upsert(self, ids: Ids, unit: Floats, generation: int) -> None:
        """Put vectors float32 `[n, dim]` under their ids, in place of those that are there."""
        rows = unit.astype(self.components)
        for start in range(0, len(ids), ROWS):
            part = zip(ids[start : start + ROWS].tolist(), rows[start : start + ROWS], strict=True)
            data = [
                {"id": image_id, "vector": row, "generation": generation} for image_id, row in part
            ]
            with self.connection.client() as client:
                client.upsert(self.name, data, timeout=ANSWER_SECONDS)

    def delete(self, ids: Ids) -> None:
        """Remove images; unknown ids are nothing to remove."""
        for start in range(0, len(ids), DELETED):
            part = ids[start : start + DELETED].tolist()
            with self.connection.client() as client:
                client.delete(self.name, ids=part, timeout=ANSWER_SECONDS)

    def flush(self) -> None:
        """Let what was written be on the disk, and be searched by the index."""
        with self.connection.client() as client:
            client.flush(self.name, timeout=ANSWER_SECONDS)

    def search(
        self, queries: Floats, k: int, condition: str, params: dict[str, Any]
    ) -> tuple[Floats, Ids]:
        """Return scores and ids `[n, k]` of the nearest images that fit a condition, -1 for none.

        Parameters
        ----------
        queries
            float32 `[n, dim]`.
        condition
            A filter in Milvus's words; empty for all.
        params
            Of the search.
        """
        scores = np.full((len(queries), k), -1, np.float32)
        ids = np.full((len(queries), k), -1, np.int64)
        with self.connection.client() as client:
            found: Sequence[Any] = client.search(
                self.name,
                data=list(queries.astype(self.components)),
                filter=condition,
                limit=k,
                output_fields=["id"],
                anns_field="vector",
                search_params={"metric_type": "IP", "params": params},
                **STRONG,
            )
        for row, hits in enumerate(found):
            for column, hit in enumerate(hits):
                ids[row, column], scores[row, column] = hit["id"], hit["distance"]
        return scores, ids
