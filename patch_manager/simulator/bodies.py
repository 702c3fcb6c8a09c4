"""Long answers, encoded once for all hosts that share them: in a large fleet most patch lists are the same."""

import collections

import orjson

from patch_manager.simulator import shapes
from patch_manager.simulator.catalogue import Patch
from patch_manager.simulator.host import SimulatedHost
from patch_manager.simulator.specs import Dialect

_KEPT = 2048
_UNPAGED = 100


class Bodies:
    """Least recently used first; keyed by everything that the answer depends on.

    Patch lists are keyed by identity, which is quick; the entry holds the list, so that no other can take its id.
    """

    def __init__(self) -> None:
        self._kept: collections.OrderedDict[tuple[object, ...], tuple[object, bytes]] = collections.OrderedDict()

    def patches(self, host: SimulatedHost, *, limit: int, offset: int) -> bytes:
        """``GET /api/v1/patches``."""
        spec = host.spec
        page = (limit, offset) if spec.dialect is Dialect.DOCUMENTATION else (_UNPAGED, 0)
        key = (spec.dialect, spec.release.has_alias, page, id(host.patches))
        body = self._find(key)
        if body is None:
            body = self._keep(
                key, host.patches, orjson.dumps(shapes.patches(spec, host.patches, limit=page[0], offset=page[1]))
            )
        return body

    def packages(self, host: SimulatedHost) -> bytes:
        """``GET /api/v1/packages`` without any filter."""
        spec = host.spec
        changes = (tuple(sorted(host.extra)), tuple(sorted(host.removed)))
        key = (spec.dialect, spec.family, spec.package_count, id(host.patches), changes)
        body = self._find(key)
        if body is None:
            items = host.installed()
            shown = items if spec.dialect is Dialect.CODE else items[:_UNPAGED]
            data = {"packages": [shapes.package(spec, item) for item in shown], "total": len(items)}
            body = self._keep(key, host.patches, orjson.dumps(data))
        return body

    def _find(self, key: tuple[object, ...]) -> bytes | None:
        entry = self._kept.get(key)
        if entry is None:
            return None
        self._kept.move_to_end(key)
        return entry[1]

    def _keep(self, key: tuple[object, ...], patches: tuple[Patch, ...], body: bytes) -> bytes:
        self._kept[key] = (patches, body)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return body
