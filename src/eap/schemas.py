"""Every table of the pipeline: its columns, its format version, and the functions that write and read it.

Tables are Parquet. Each file carries its schema's name, the format version and a digest of its
rows and of what it was made from: a file of another version or another kind is refused instead of misread, and what
was learnt from other rows is known.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from eap.digest import value_digest
from eap.files import atomic_path

FORMAT_VERSION = 1
N_POINTS = 68

_POINTS = pa.list_(pa.float32(), 2 * N_POINTS)


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field(name, kind) for name, kind in columns.items()])


_STATUS = {"status": pa.string(), "stage": pa.string(), "reason": pa.string()}  # used | set_aside
_CATALOG = {
    "clip_id": pa.string(),  # path relative to the data root, POSIX slashes, suffix kept: unique
    "path": pa.string(),  # the same, as found on disk
    "audio_path": pa.string(),  # where the sound is a file of its own (MEAD), relative to the data root; else null
    "dataset": pa.string(),
    "speaker_id": pa.string(),
    "split_key": pa.string(),  # what `split.by: speaker` keeps together: the speaker, unless the dataset says otherwise
    "emotion": pa.string(),  # eap.config.EMOTIONS
    "labelled": pa.bool_(),  # false: no emotion label was given, `emotion` is then "neutral"
    "intensity_level": pa.string(),  # null where the dataset has none
    "sentence": pa.string(),
    "licence": pa.string(),
    "url": pa.string(),  # where it was downloaded from; null for local material
    "sha256": pa.string(),
    "size_bytes": pa.int64(),
    "shard": pa.int32(),
}
_MEDIA = {
    "n_frames": pa.int32(),  # at the constant frame rate
    "source_fps": pa.float64(),
    "source_width_px": pa.int32(),
    "source_height_px": pa.int32(),
    "video_duration_s": pa.float64(),
    "audio_duration_s": pa.float64(),
    "crop_x_px": pa.float32(),  # left edge of the square crop in the source frame
    "crop_y_px": pa.float32(),
    "crop_size_px": pa.float32(),
}
_SCORED_VIDEO = {
    "frames": pa.int32(),  # at 25 fps
    "fps": pa.float64(),  # of the file
    "width_px": pa.int32(),
    "height_px": pa.int32(),
}
SCORE_METRICS = (
    *("lmd", "lmd_center", "lmd_interocular", "opening_correlation", "width_correlation", "coverage"),
    *("lse_d", "lse_c", "offset", "abs_offset", "lse_at_zero", "psnr", "ssim", "lpips"),
    *("identity_cosine", "identity_distance"),
    *(f"{name}_{quantity}" for quantity in ("intensity", "valence", "arousal") for name in ("rmse", "pcc", "ccc")),
    *("emotion_agreement", "emotion_accuracy"),
)
"""Metrics that one pair of videos has, in the order of the columns."""

SCHEMAS: dict[str, pa.Schema] = {
    "inventory": _schema(path=pa.string(), size_bytes=pa.int64(), sha256=pa.string(), url=pa.string()),
    # status "listed" or "set_aside" (file missing, checksum wrong, emotion outside the config, ...)
    "catalog": _schema(**_CATALOG, **_STATUS),
    # what one shard's frames are made of; written only when it changes
    "listing": _schema(
        clip_id=pa.string(), path=pa.string(), sha256=pa.string(), audio_path=pa.string(), audio_sha256=pa.string()
    ),
    # one row per clip of the shard's listing; made_from: digest of the clip's bytes, the settings and the code
    "media": _schema(clip_id=pa.string(), **_STATUS, **_MEDIA, made_from=pa.string()),
    # one row per frame; row groups of eap.data.row_groups.FRAMES_PER_GROUP, each of one clip
    "frames": _schema(clip_id=pa.string(), frame=pa.int32(), jpeg=pa.binary()),
    "audio": _schema(clip_id=pa.string(), n_samples=pa.int64(), pcm16=pa.binary()),
    # px at video.size; status detected | tracked | interpolated
    "landmarks": _schema(clip_id=pa.string(), frame=pa.int32(), landmarks=_POINTS, status=pa.string()),
    "landmark_clips": _schema(clip_id=pa.string(), **_STATUS, coverage=pa.float32(), made_from=pa.string()),
    "mel": _schema(clip_id=pa.string(), frame=pa.int32(), mel=pa.list_(pa.float32())),
    # the whole catalog with its final status: used | set_aside
    "clips": _schema(**_CATALOG, **_STATUS, **_MEDIA, coverage=pa.float32()),
    # ground truth of the phantom corpus: one row per frame, one row group per clip; px of the clip's own picture.
    # av_offset_frames: frames by which the mouth comes after the sound
    "truth": _schema(
        clip_id=pa.string(),
        frame=pa.int32(),
        landmarks=_POINTS,
        valence=pa.float32(),
        arousal=pa.float32(),
        viseme=pa.string(),
        yaw_rad=pa.float32(),
        pitch_rad=pa.float32(),
        roll_rad=pa.float32(),
        av_offset_frames=pa.int32(),
    ),
    # mean neutral shape per speaker in the canonical frame of eap.data.pose.
    # detected_shape: of table landmarks; shape: of the points that ANT moves (`labels.points`)
    # deviation_scale: the deviation that label source "landmarks" counts as intensity 1 (one value for all rows)
    "shapes": _schema(
        speaker_id=pa.string(),
        shape=_POINTS,
        detected_shape=_POINTS,
        n_frames=pa.int64(),
        made_from=pa.string(),
        deviation_scale=pa.float32(),
    ),
    # points: the corpus's own landmarks, px at video.size; null where those of table landmarks are meant
    "labels": _schema(
        clip_id=pa.string(),
        frame=pa.int32(),
        points=pa.list_(pa.float32()),  # 136 values; Parquet keeps no nulls among lists of one size
        valence=pa.float32(),
        arousal=pa.float32(),
        source=pa.string(),
        source_version=pa.string(),
    ),
    "splits": _schema(clip_id=pa.string(), speaker_id=pa.string(), emotion=pa.string(), split=pa.string()),
    # one row per logged term and step; part "train" | "validation"
    "history": _schema(step=pa.int64(), epoch=pa.int64(), part=pa.string(), term=pa.string(), value=pa.float64()),
    # -- one evaluation: results/evaluation/<experiment>/seed=<n>/, and results/controls/<experiment>/ ----------------
    # scope "clip" (one clip) or "pooled" (all test frames; clip_id null). A value that is not defined is null with a
    # reason. `variant`: eap.evaluation.variants.VARIANTS. seed null: a control that no training touches, scored once.
    # level: the dataset's own name of how strong the emotion was meant (null where it has none).
    "scores": _schema(
        seed=pa.int32(),
        variant=pa.string(),
        metric=pa.string(),
        scope=pa.string(),
        clip_id=pa.string(),
        speaker_id=pa.string(),
        emotion=pa.string(),
        level=pa.string(),
        value=pa.float64(),
        n=pa.int64(),
        reason=pa.string(),
    ),
    # emotion over time. judge "era" (theta(F(v))), "points" (a regression from landmarks, fitted on real clips:
    # table "judge"), "faces" (a network), "landmarks" (deviation of dlib's points), "audio" (theta(E_E(mel))).
    # seed null: as in "scores"
    "curves": _schema(
        seed=pa.int32(),
        clip_id=pa.string(),
        variant=pa.string(),
        judge=pa.string(),
        frame=pa.int32(),
        valence=pa.float32(),
        arousal=pa.float32(),
        intensity=pa.float32(),
        true_valence=pa.float32(),
        true_arousal=pa.float32(),
        true_intensity=pa.float32(),
    ),
    # path relative to the table's folder; variant source | real | neutral | emotional
    "videos": _schema(
        seed=pa.int32(),
        clip_id=pa.string(),
        speaker_id=pa.string(),
        emotion=pa.string(),
        source_clip_id=pa.string(),
        source_emotion=pa.string(),
        variant=pa.string(),
        path=pa.string(),
    ),
    # `eap score`: one row per pair of videos, or per video without a partner. status scored | partial | failed. A
    # metric that is absent, failed or not defined is null; `reason` says why, but for absent weights (the protocol).
    # Metrics: eap.evaluation.score.metrics
    "score_clips": _schema(
        clip_id=pa.string(),
        reference=pa.string(),
        generated=pa.string(),
        emotion=pa.string(),  # the label that was given
        status=pa.string(),
        reason=pa.string(),
        **{f"{side}_{key}": kind for side in ("reference", "generated") for key, kind in _SCORED_VIDEO.items()},
        sync_start=pa.int32(),  # first frame of the face track
        sync_windows=pa.int32(),
        **{name: pa.float64() for name in SCORE_METRICS},
    ),
    # input bias: one voice (clip_id) spoken from a source face of every emotion. valence, arousal, intensity: mean over
    # the video's frames, as `judge` reads them. predicted: the class that phi(F(v)) sees in most frames (judge "era"
    # only, else null). gain: g. Rows of variant "real" hold real neutral clips (no source, gain null): what intensity
    # at g = 0 should look like. A face that was found in no frame: the three values are null
    "bias": _schema(
        seed=pa.int32(),
        variant=pa.string(),  # generated | real
        clip_id=pa.string(),
        speaker_id=pa.string(),
        emotion=pa.string(),
        level=pa.string(),
        source_clip_id=pa.string(),
        source_emotion=pa.string(),
        gain=pa.float64(),
        judge=pa.string(),
        valence=pa.float64(),
        arousal=pa.float64(),
        intensity=pa.float64(),
        predicted=pa.string(),
        n=pa.int64(),
    ),
    # saturation: mean intensity of a video per gain g. group_id names clips of one speaker and emotion that differ in
    # level; same_sentence: they also share the sentence. judge "audio" hears (variant "generated", gain 1). Rows of
    # variant "real" (gain null) tell whether the judge orders the recordings themselves. true_intensity: labels' mean
    "saturation": _schema(
        seed=pa.int32(),
        variant=pa.string(),  # generated | real
        clip_id=pa.string(),
        speaker_id=pa.string(),
        emotion=pa.string(),
        level=pa.string(),
        sentence=pa.string(),
        group_id=pa.string(),
        same_sentence=pa.bool_(),
        gain=pa.float64(),
        judge=pa.string(),
        intensity=pa.float64(),
        true_intensity=pa.float64(),
        n=pa.int64(),
    ),
    # E_E of one test clip: z is the mean of e over its frames; x, y: its place on the map, the first two principal
    # components of all z of this seed (explained: their share of the variance, one value for all rows)
    "embeddings": _schema(
        seed=pa.int32(),
        clip_id=pa.string(),
        speaker_id=pa.string(),
        emotion=pa.string(),
        level=pa.string(),
        z=pa.list_(pa.float32()),
        x=pa.float32(),
        y=pa.float32(),
        explained=pa.float32(),
        true_intensity=pa.float32(),
    ),
    # the qualitative grid (paper, section C): the same voice (clip_id) x source faces x gains g. kind "picture" (JPEG,
    # the frame whose label is strongest) or "video" (MP4 with the voice); path relative to the table's folder.
    # gain null: the source face itself (picture), source_clip_id null: the real recording
    "grid": _schema(
        seed=pa.int32(),
        clip_id=pa.string(),
        speaker_id=pa.string(),
        emotion=pa.string(),
        level=pa.string(),
        source_clip_id=pa.string(),
        source_emotion=pa.string(),
        gain=pa.float64(),
        kind=pa.string(),
        frame=pa.int32(),
        path=pa.string(),
    ),
    # the sync expert on real test clips whose sound was moved: frames by which it was made late, and what the score
    # found; null with a reason where the clip is silent
    "offsets": _schema(
        clip_id=pa.string(),
        speaker_id=pa.string(),
        emotion=pa.string(),
        injected=pa.int32(),
        found=pa.int32(),
        reason=pa.string(),
    ),
    # judge "points" (eap.evaluation.points.Fitted). name: mean; basis (a principal direction each); valence, arousal,
    # "class NAME": weights. split: of the clips it was fitted on
    "judge": _schema(
        row=pa.int32(), name=pa.string(), values=pa.list_(pa.float64()), split=pa.string(), n_frames=pa.int64()
    ),
    # -- all experiments and seeds: results/comparison/ --------------------------------------------------------------
    # what ran: data, student, sync, ant, controls name the experiment whose files this one uses (its own, or those of
    # an earlier one that made them from the same values). changes: JSON, key -> value where it differs from "base"
    "experiments": _schema(
        experiment=pa.string(),
        data=pa.string(),
        student=pa.string(),
        sync=pa.string(),
        ant=pa.string(),
        controls=pa.string(),
        changes=pa.string(),
        n_seeds=pa.int32(),
    ),
    # the headline table. mean over seeds of the mean over clips (or of the pooled score); std: over seeds (ddof 1; null
    # for one seed and for controls); low, high: 95 % interval, resampling speakers, clips of a speaker, and seeds
    # (null where there is one clip); n_seeds 0: a control that no training touches. n_speakers, n_clips: with a value;
    # n_undefined: rows left out. flag: why this metric proves nothing on this data (the same text in every row of a
    # metric and experiment), null if it can tell real video from its controls; unknown where they were not measured
    "summary": _schema(
        experiment=pa.string(),
        variant=pa.string(),
        metric=pa.string(),
        mean=pa.float64(),
        std=pa.float64(),
        low=pa.float64(),
        high=pa.float64(),
        n_seeds=pa.int32(),
        n_speakers=pa.int32(),
        n_clips=pa.int32(),
        n_undefined=pa.int32(),
        flag=pa.string(),
    ),
    # the same over parts of the test clips: part "emotion" | "level" | "speaker", value the emotion, level or speaker;
    # n_undefined: clips without a value
    "breakdown": _schema(
        experiment=pa.string(),
        variant=pa.string(),
        metric=pa.string(),
        part=pa.string(),
        value=pa.string(),
        mean=pa.float64(),
        std=pa.float64(),
        low=pa.float64(),
        high=pa.float64(),
        n_seeds=pa.int32(),
        n_speakers=pa.int32(),
        n_clips=pa.int32(),
        n_undefined=pa.int32(),
    ),
    # paired tests on the same clips: `experiment`, `variant` against `other`, `other_variant` (either the experiments
    # or the variants differ). difference = mean - other_mean; low, high: its 95 % interval; p: sign-flip permutation
    # over speakers; p_holm: Holm-corrected over the rows of one pair and family (primary | secondary, see
    # eap.evaluation.pairs). verdict "better" | "worse" | "different" (no
    # direction is known) | "not distinguishable" | "not comparable"; reason says why for the last two
    "comparisons": _schema(
        experiment=pa.string(),
        variant=pa.string(),
        other=pa.string(),
        other_variant=pa.string(),
        metric=pa.string(),
        family=pa.string(),
        mean=pa.float64(),
        other_mean=pa.float64(),
        difference=pa.float64(),
        low=pa.float64(),
        high=pa.float64(),
        p=pa.float64(),
        p_holm=pa.float64(),
        n_seeds=pa.int32(),
        n_speakers=pa.int32(),
        n_clips=pa.int32(),
        verdict=pa.string(),
        reason=pa.string(),
    ),
    # input bias and saturation in single numbers; probe (eap.evaluation.probes.PROBES says what each is)
    # per judge and, where it has one, quantity (valence | arousal | intensity) and gain. chance: what it would be by
    # luck (null: no such value). mean, std, low, high: as in "summary". n: videos, clips or groups per seed
    "probes": _schema(
        experiment=pa.string(),
        probe=pa.string(),
        judge=pa.string(),
        quantity=pa.string(),
        gain=pa.float64(),
        mean=pa.float64(),
        std=pa.float64(),
        low=pa.float64(),
        high=pa.float64(),
        chance=pa.float64(),
        n_seeds=pa.int32(),
        n_speakers=pa.int32(),
        n=pa.int32(),
        reason=pa.string(),
    ),
}


class TableError(ValueError):
    """A file is not the table that was expected."""


def to_table(name: str, rows: pd.DataFrame | Sequence[dict[str, Any]]) -> pa.Table:
    """Rows as an Arrow table of the named schema; absent columns become null, surplus columns are an error."""
    schema = SCHEMAS[name]
    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows), columns=None)
    surplus = set(frame.columns) - set(schema.names)
    if surplus:
        raise TableError(f"table {name!r} has no column {', '.join(sorted(surplus))}")
    arrays = []
    for field in schema:
        values = frame[field.name] if field.name in frame else [None] * len(frame)
        arrays.append(pa.array(list(values), type=field.type, from_pandas=True))
    return pa.Table.from_arrays(arrays, schema=schema)


def write_table(
    path: str | Path,
    name: str,
    tables: pd.DataFrame | Sequence[dict[str, Any]] | Iterable[pa.Table],
    sources: Sequence[str | Path] = (),
    config: Any = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a table atomically.

    Parameters
    ----------
    tables
        A data frame, a list of row dictionaries, or an iterable of Arrow tables (each becomes one row group, so that
        memory does not grow with the file).
    sources
        The Parquet files it was made from; their digests, `config` and the rows make this file's own (`table_digest`).
    config
        JSON-serialisable settings it was made with.
    metadata
        What else the file should say of itself.
    """
    if isinstance(tables, pd.DataFrame) or (isinstance(tables, list) and not _holds_tables(tables)):
        tables = [to_table(name, tables)]
    with table_writer(path, name, sources, config, metadata) as write:
        for table in tables:
            write(table)


@contextmanager
def table_writer(
    path: str | Path,
    name: str,
    sources: Sequence[str | Path] = (),
    config: Any = None,
    metadata: Mapping[str, str] | None = None,
) -> Iterator[Callable[[pa.Table], None]]:
    """A function that appends one row group; the file appears, as in `write_table`, when the block ends well."""
    made_from = [name, FORMAT_VERSION, [table_digest(source) for source in sources], config]
    own = {"eap.table": name, "eap.format": str(FORMAT_VERSION)}
    schema = SCHEMAS[name].with_metadata({**(metadata or {}), **own})
    # JPEG is compressed already; extremes of pictures and sound say nothing
    bulky = [column for column in schema.names if pa.types.is_binary(schema.field(column).type)]
    rest = [column for column in schema.names if column not in bulky]
    with (
        atomic_path(path) as temporary,
        pq.ParquetWriter(
            temporary,
            schema,
            compression={column: "none" if column == "jpeg" else "zstd" for column in schema.names},
            use_dictionary=rest,
            write_statistics=rest,
            write_page_checksum=True,
        ) as writer,
    ):
        rows = hashlib.sha256()

        def write(table: pa.Table) -> None:
            table = table.cast(schema)
            writer.write_table(table, row_group_size=max(len(table), 1))
            _hash_rows(table, rows.update)

        yield write
        writer.add_key_value_metadata({"eap.digest": value_digest([*made_from, rows.hexdigest()])})


def _hash_rows(table: pa.Table, update: Callable[[bytes], object]) -> None:
    """Feed a hash with a table's rows, the same for the same rows in however many chunks."""
    with pa.ipc.new_stream(pa.PythonFile(_Sink(update), mode="w"), table.schema.remove_metadata()) as stream:
        for batch in table.combine_chunks().to_batches():
            stream.write_batch(batch.replace_schema_metadata(None))


class _Sink(io.RawIOBase):
    """A file that hands on what is written to it."""

    def __init__(self, update: Callable[[bytes], object]) -> None:
        self._update = update

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._update(data)
        return len(data)


def read_table(
    path: str | Path | Sequence[str | Path], name: str, columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """Read one table, or several of the same kind as one.

    Raises
    ------
    TableError
        If a file is of another kind or format version.
    """
    paths = [path] if isinstance(path, str | Path) else list(path)
    for part in paths:
        check_table(part, name)
    parts = [TableFile(part).read(list(columns) if columns else None) for part in paths]
    return pa.concat_tables([part.replace_schema_metadata(None) for part in parts]).to_pandas()


class TableFile(pq.ParquetFile):
    """An open Parquet file whose pages are compared with their checksums as they are read.

    Raises
    ------
    TableError
        If it is cut short, or a page is not what was written.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = path
        with _damage(path):
            super().__init__(path, page_checksum_verification=True)

    def read(self, columns: Sequence[str] | None = None, **options: Any) -> pa.Table:
        """The whole table."""
        with _damage(self._path):
            return super().read(columns, **options)

    def read_row_groups(self, groups: Sequence[int], columns: Sequence[str] | None = None, **options: Any) -> pa.Table:
        """Some row groups."""
        with _damage(self._path):
            return super().read_row_groups(groups, columns, **options)

    def read_row_group(self, group: int, columns: Sequence[str] | None = None, **options: Any) -> pa.Table:
        """One row group."""
        with _damage(self._path):
            return super().read_row_group(group, columns, **options)

    def iter_batches(self, *arguments: Any, **options: Any) -> Iterator[pa.RecordBatch]:
        """Rows, some at a time."""
        with _damage(self._path):
            yield from super().iter_batches(*arguments, **options)


@contextmanager
def _damage(path: str | Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except (pa.ArrowInvalid, OSError) as error:
        raise TableError(
            f"{path}: damaged ({str(error).splitlines()[0]}); `eap verify --delete` removes it, and says what makes "
            "it anew"
        ) from error


def check_table(path: str | Path, name: str) -> None:
    """Raise `TableError` unless `path` holds a `name` table of this format version."""
    with _damage(path):
        metadata = pq.read_schema(path).metadata or {}
    found = metadata.get(b"eap.table", b"?").decode(), metadata.get(b"eap.format", b"?").decode()
    if found != (name, str(FORMAT_VERSION)):
        raise TableError(
            f"{path}: expected table {name!r} of format {FORMAT_VERSION}, found {found[0]!r} of format {found[1]}; "
            "remove it and run the workflow again"
        )


def table_digest(path: str | Path) -> str:
    """The digest, kept in the file's metadata, of a table's rows, its settings and the tables it was made from.

    Raises
    ------
    TableError
        If the file has none: it is not one of `eap`'s tables, or an older version wrote it.
    """
    with _damage(path):
        digest = (pq.read_metadata(path).metadata or {}).get(b"eap.digest")
    if digest is None:
        raise TableError(
            f"{path}: no digest of its rows (an older version wrote it); remove it and run the workflow again"
        )
    return str(digest.decode())


def table_note(path: str | Path, key: str) -> str | None:
    """What a file says of itself under a key of `write_table`'s `metadata`; None: nothing."""
    with _damage(path):
        note = (pq.read_metadata(path).metadata or {}).get(key.encode())
    return None if note is None else str(note.decode())


def _holds_tables(tables: Sequence[Any]) -> bool:
    return bool(tables) and isinstance(tables[0], pa.Table)
