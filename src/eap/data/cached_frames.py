"""Single frames of prepared clips: reading a window reads its row groups, and decodes its frames, only."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from pathlib import Path

import cv2
import numpy as np

from eap.data.jpeg import decode_jpeg
from eap.data.row_groups import Group, OpenTables


class FrameReader:
    """Frames of the ``frames`` tables, decoded and resized; several threads may read.

    Parameters
    ----------
    files
        Shared with other readers.
    size
        Side of the frames, px.
    cache_bytes
        Decoded frames that are kept, at most, the latest used; 0: none.
    """

    def __init__(self, files: OpenTables, size: int, cache_bytes: int) -> None:
        self._files, self.size = files, size
        self._room = cache_bytes
        self._cached_size: int | None = None
        self._kept: OrderedDict[tuple[str, int], np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, clip_id: str, path: Path, groups: list[Group], wanted: list[int]) -> list[np.ndarray]:
        """uint8 ``[size, size, 3]`` of the wanted frames of a clip, whose rows are `groups` of the file `path`."""
        found = {i: self._kept[clip_id, i] for i in wanted if (clip_id, i) in self._kept} if self._room else {}
        starts = [0]
        for group in groups:
            starts.append(starts[-1] + group.n_rows)
        places: dict[int, list[int]] = {}
        for i in dict.fromkeys(wanted):
            if i not in found:
                places.setdefault(bisect_right(starts, i) - 1, []).append(i)
        for number, frames in places.items():
            column = self._files.read(path, [groups[number]], ["jpeg"])["jpeg"]
            for i in frames:
                jpeg = column[i - starts[number]].as_buffer()
                found[i] = resize_frame(decode_jpeg(jpeg), self.size)
        if self._room:
            self._keep(clip_id, found)
        return [found[i] for i in wanted]

    def cached_size(self, path: Path, groups: list[Group]) -> int:
        """Side of the frames as they are cached, px: one for all clips (`video.size`)."""
        if self._cached_size is None:
            column = self._files.read(path, groups[:1], ["jpeg"])["jpeg"]
            self._cached_size = decode_jpeg(column[0].as_buffer()).shape[0]
        return self._cached_size

    def _keep(self, clip_id: str, frames: dict[int, np.ndarray]) -> None:
        with self._lock:
            for i, frame in frames.items():
                self._kept[clip_id, i] = frame
                self._kept.move_to_end((clip_id, i))
            most = self._room // (self.size * self.size * 3)
            while len(self._kept) > most:
                self._kept.popitem(last=False)


class ClipFrames:
    """A clip's frames as a sequence: ``frames[5]``, ``frames[3:7]``, ``frames[[1, 4]]`` decode those frames only."""

    def __init__(self, reader: FrameReader, clip_id: str, path: Path, groups: list[Group]) -> None:
        self._reader, self._clip_id, self._path, self._groups = reader, clip_id, path, groups
        self._length = sum(group.n_rows for group in groups)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, key: int | slice | list[int] | np.ndarray) -> np.ndarray:
        """uint8 RGB ``[H, W, 3]`` of one frame, ``[N, H, W, 3]`` of several."""
        wanted = np.arange(self._length)[key]
        single = np.ndim(wanted) == 0
        frames = self._reader.read(self._clip_id, self._path, self._groups, np.atleast_1d(wanted).tolist())
        if single:
            return frames[0]
        return np.stack(frames) if frames else np.empty((0, self._reader.size, self._reader.size, 3), np.uint8)


def resize_frame(image_HWC: np.ndarray, size: int) -> np.ndarray:
    """A square image at another size: area averaging down, bicubic up."""
    if image_HWC.shape[0] == size:
        return image_HWC
    method = cv2.INTER_AREA if size < image_HWC.shape[0] else cv2.INTER_CUBIC
    return cv2.resize(image_HWC, (size, size), interpolation=method)
