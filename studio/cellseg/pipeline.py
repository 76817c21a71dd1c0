"""Blocks through the stages: read and resample ▸ network ▸ dynamics ▸ (caller) write.

One thread plans and one or a few run the network; small pools read the slide and find the cells. Queues
between them are bounded by the number of blocks under way. The caller takes finished blocks in its own thread.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.blocks import FIRST_HALO, BlockCells, FlowPiece, HaloTooSmall, segment_block
from studio.cellseg.flowfield import Tile, TileInputs, TileStore, add_up, assemble_pixels, split
from studio.cellseg.lattice import Rect
from studio.cellseg.networks import Network
from studio.cellseg.networks.sparing import forward_sparing
from studio.cellseg.plan import Plan
from studio.core.worker import owned_cores

if TYPE_CHECKING:
    from studio.core.jobs import Progress

log = logging.getLogger(__name__)

_POLL_S = 0.1
_FLUSH_S = 0.05
"""How long the network waits for more tiles before it runs a batch that isn't full."""


@dataclass
class StageTimes:
    """Wall and CPU seconds spent in each stage, summed over its threads."""

    wall_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    cpu_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _inside: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Count what happens inside towards a stage."""
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            with self._lock:
                self.wall_s[stage] += time.perf_counter() - wall
                self.cpu_s[stage] += time.thread_time() - cpu
                self.counts[stage] += 1

    @contextmanager
    def measure_once(self, stage: str) -> Iterator[None]:
        """The same, but wall time in which several threads are inside counts once."""
        cpu = time.thread_time()
        with self._lock:
            self._inside[stage].append(time.perf_counter())
        try:
            yield
        finally:
            with self._lock:
                now, began = time.perf_counter(), self._inside[stage]
                # Those that are still inside begin anew.
                self.wall_s[stage] += now - min(began)
                began[:] = [now] * (len(began) - 1)
                self.cpu_s[stage] += time.thread_time() - cpu
                self.counts[stage] += 1

    def count(self, what: str, number: int = 1) -> None:
        """Count something."""
        with self._lock:
            self.counts[what] += number


@dataclass(frozen=True, slots=True)
class Finished:
    """A block done: its cells, and what `harvest` made of it in the pool's thread."""

    block: BlockCells
    extra: Any


Harvest = Callable[[BlockCells, FlowPiece], Any]

_Read = tuple[NDArray[np.float32], NDArray[np.uint8]]
"""The network's input of a tile and the slide's pixels."""


@dataclass(slots=True)
class _Task:
    core: Rect
    halo: int
    rect: Rect
    tiles: list[Tile]


class Pipeline:
    """Runs blocks of a plan. Make one, iterate over `run`, drop it."""

    def __init__(
        self,
        plan: Plan,
        network: Network,
        *,
        harvest: Harvest | None = None,
        times: StageTimes | None = None,
        store: TileStore | None = None,
        pixels: bool = False,
        flows_from: float | None = None,
    ) -> None:
        """`store` holds tiles of earlier runs with the same network input, and keeps those of this one.

        With `pixels` the pieces that `harvest` gets have the slide's pixels (no `store` of others then), with
        `flows_from` also the flows where the cell probability is over that (`FlowPiece.wide`).
        """
        self.plan = plan
        self.times = times or StageTimes()
        self.network = network
        self._harvest = harvest
        self._pixels = pixels
        self._flows_from = flows_from
        self._workers = plan.params.workers or owned_cores()
        self._inputs = TileInputs(plan.slide, plan.grid.scale, plan.channel, plan.normalization, plan.lattice)
        self._store = TileStore(plan.cache_bytes) if store is None else store
        self._store.settle()
        self._tiles_are_ours = store is None
        self._seen: set[Tile] = set()
        self._waiting: list[_Task] = []
        """Blocks whose tiles aren't all there yet."""
        self._gathering, self._sorting = threading.Lock(), threading.Lock()
        self.notices: deque[str] = deque()
        """What somebody should know of, in words; `say` hands it on."""
        self._stop = threading.Event()
        self._again: deque[tuple[Rect, int]] = deque()
        self._halo = FIRST_HALO
        self._slots = threading.Semaphore(plan.blocks_at_once(self._workers + 1))
        self._to_network: queue.Queue[tuple[Tile, Future[_Read]] | _Task | None] = queue.Queue()
        self._done: queue.Queue[Finished | BaseException] = queue.Queue()
        self._left = 0
        self._all_done = threading.Event()

    def run(
        self,
        cores: Iterable[Rect],
        halos: dict[Rect, int] | None = None,
        poll: Callable[[], None] = lambda: None,
    ) -> Generator[Finished, None, None]:
        """Yield each block as it is finished, in no particular order. Closing the iterator stops the work.

        Args:
            cores: blocks in the order wanted.
            halos: first halo of single blocks, where more than usual is known to be needed.
            poll: called a few times a second while waiting; what it raises stops the work.
        """
        wanted = list(cores)
        self._left = len(wanted)
        if not wanted:
            return
        if self._tiles_are_ours:
            for core in wanted:
                self._store.expect(self._task(core, max(self._halo, (halos or {}).get(core, 0))).tiles)
        readers = ThreadPoolExecutor(min(4, max(2, self._workers)), thread_name_prefix="studio-read")
        finders = ThreadPoolExecutor(self._workers, thread_name_prefix="studio-cells")
        threads = [
            threading.Thread(target=self._guard, args=(self._plan_tiles, wanted, halos or {}, readers), daemon=True),
            *(
                threading.Thread(target=self._guard, args=(self._run_network, finders), daemon=True)
                for _ in range(self.network.at_once)
            ),
        ]
        for thread in threads:
            thread.start()
        try:
            for _ in wanted:
                item = self._next(poll)
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            self._stop.set()
            self._all_done.set()
            self._slots.release()
            self._to_network.put(None)
            for thread in threads:
                thread.join()
            readers.shutdown(cancel_futures=True)
            finders.shutdown(cancel_futures=True)

    def say(self, progress: Progress) -> None:
        """Hand on, as `emit("notice", {"text": …})`, what somebody should know of. In the thread that iterates."""
        while self.notices:
            progress.emit("notice", {"text": self.notices.popleft()})

    def _next(self, poll: Callable[[], None]) -> Finished | BaseException:
        while True:
            poll()
            try:
                return self._done.get(timeout=_POLL_S)
            except queue.Empty:
                continue

    def _guard(self, target: Callable[..., None], *args: Any) -> None:
        try:
            target(*args)
        except BaseException as error:  # noqa: BLE001 (handed to the caller's thread, which raises it)
            self._done.put(error)

    def _plan_tiles(self, wanted: list[Rect], halos: dict[Rect, int], readers: ThreadPoolExecutor) -> None:
        """Thread: decide which tiles are wanted next, and have them read."""
        fresh = deque(wanted)
        while not self._stop.is_set() and not self._all_done.is_set():
            if not self._again and not fresh:
                self._all_done.wait(0.01)
                continue
            self._slots.acquire()
            if self._stop.is_set():
                return
            core, halo = self._again.popleft() if self._again else (fresh[0], 0)
            if not halo:
                fresh.popleft()
                halo = max(self._halo, halos.get(core, 0))
            task = self._task(core, halo)
            for tile in self._store.pin(task.tiles):
                self._to_network.put((tile, readers.submit(self._read, tile)))
            self._to_network.put(task)

    def _task(self, core: Rect, halo: int) -> _Task:
        rect = self.plan.piece(core, halo)
        return _Task(core, halo, rect, self.plan.tiles_over(rect))

    def _read(self, tile: Tile) -> _Read:
        with self.times.measure("read"):
            return self._inputs.read_with_pixels(tile)

    def _run_network(self, finders: ThreadPoolExecutor) -> None:
        """Threads: tiles to the network."""
        while not self._stop.is_set():
            with self._gathering:
                batch = self._gather(finders)
            if batch is None:
                return
            self._forward(batch)
            self._to_finders(finders)

    def _gather(self, finders: ThreadPoolExecutor) -> list[tuple[Tile, Future[_Read]]] | None:
        """The next tiles for the network; None where it is over."""
        batch: list[tuple[Tile, Future[_Read]]] = []
        size = self.network.batch if self.network.at_once == 1 else 1
        while len(batch) < size:
            try:
                item = self._to_network.get(timeout=_FLUSH_S if batch else None)
            except queue.Empty:
                break
            if item is None:
                # For the other threads.
                self._to_network.put(None)
                return None
            if isinstance(item, _Task):
                with self._sorting:
                    self._waiting.append(item)
                self._to_finders(finders)
            else:
                batch.append(item)
        return batch

    def _to_finders(self, finders: ThreadPoolExecutor) -> None:
        """Blocks whose tiles are there to the finders."""
        with self._sorting:
            ready = [task for task in self._waiting if self._store.ready(task.tiles)]
            for task in ready:
                self._waiting.remove(task)
        for task in ready:
            if not self._stop.is_set():
                finders.submit(self._guard, self._find, task)

    def _forward(self, batch: list[tuple[Tile, Future[_Read]]]) -> None:
        read = [future.result() for _, future in batch]
        x = np.stack([x for x, _ in read]) if len(read) > 1 else read[0][0][None]
        with self.times.measure_once("network"):
            y = forward_sparing(self.network, x, self._tell)
        self.times.count("tiles", len(batch))
        self.times.count("tiles_again", sum(tile in self._seen for tile, _ in batch))
        self._seen.update(tile for tile, _ in batch)
        for (tile, _), (_, pixels), output in zip(batch, read, y, strict=False):
            # Of its own memory, so that it goes when this tile goes.
            output = np.array(output, np.float32) if len(batch) > 1 else np.ascontiguousarray(output, np.float32)
            self._store.put(tile, output, pixels if self._pixels else None)

    def _tell(self, text: str) -> None:
        log.warning("%s", text)
        self.notices.append(text)

    def _find(self, task: _Task) -> None:
        """Pool: the cells of one block, or the block again with more halo."""
        if self._stop.is_set():
            return
        plan = self.plan
        with self.times.measure("assemble"):
            total = add_up(self._store, plan.lattice, task.tiles, task.rect)
            piece = split(total, task.rect, plan.params.cellprob_threshold, plan.where)
            if self._flows_from is not None:
                piece = replace(piece, wide=split(total, task.rect, self._flows_from, plan.where))
            if self._pixels:
                rgb = assemble_pixels(self._store, plan.lattice, task.tiles, task.rect)
                piece = replace(piece, rgb=rgb)
            # The dynamics need the memory, and what they don't let go of counts for every block (`plan.piece_bytes`).
            del total
        self._store.unpin(task.tiles)
        self.times.count("piece_px", piece.inside.size)
        self.times.count("foreground_px", int(np.count_nonzero(piece.inside)))
        with self.times.measure("dynamics"):
            found = segment_block(piece, task.core, plan.grid.bounds, plan.params, task.halo, plan.where)
        if isinstance(found, HaloTooSmall):
            self.times.count("redone")
            log.debug("block %s: halo %d too small, %d next", task.core, task.halo, found.halo)
            if self._tiles_are_ours:
                self._store.expect(set(self._task(task.core, found.halo).tiles) - set(task.tiles))
            self._again.append((task.core, found.halo))
            self._slots.release()
            return
        if self._tiles_are_ours:
            self._store.done_with(task.tiles)
        with self.times.measure("harvest"):
            extra = self._harvest(found, piece) if self._harvest else None
        self._slots.release()
        self._done.put(Finished(found, extra))
