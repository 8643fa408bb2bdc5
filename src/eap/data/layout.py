"""Where prepared data lies: the one home of its file names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from eap.digest import value_digest
from eap.schemas import read_table, table_digest


@dataclass(frozen=True)
class PreparedData:
    """The folder that preparation fills and training reads (`results/data`)."""

    root: Path

    @property
    def phantom(self) -> Path:
        """Says that the phantom corpus is rendered, and how large it is (JSON)."""
        return self.root / "phantom.json"

    @property
    def inventory(self) -> Path:
        """Files found at the source, with size and SHA-256."""
        return self.root / "inventory.parquet"

    @property
    def catalog(self) -> Path:
        """One row per clip, as described by manifest or folders."""
        return self.root / "catalog.parquet"

    @property
    def clips(self) -> Path:
        """The catalog with each clip's final status."""
        return self.root / "clips.parquet"

    @property
    def labels(self) -> Path:
        """Valence and arousal per frame."""
        return self.root / "labels.parquet"

    @property
    def shapes(self) -> Path:
        """Mean neutral shape per speaker."""
        return self.root / "shapes.parquet"

    @property
    def splits(self) -> Path:
        """Split of each used clip."""
        return self.root / "splits.parquet"

    def shard(self, table: str, shard: int) -> Path:
        """One shard of `listing`, `frames`, `audio`, `media`, `landmarks`, `landmark_clips` or `mel`."""
        return self.root / table / f"shard={shard:04d}.parquet"

    def shards(self, table: str) -> list[Path]:
        """The shards of a table that hold used clips, in order.

        They are those that the `clips` table names: a folder may still hold files of an earlier, larger number.
        """
        clips = read_table(self.clips, "clips", ["status", "shard"])
        numbers = clips.loc[clips.status == "used", "shard"].unique()
        return [self.shard(table, int(number)) for number in sorted(numbers)]

    def digest(self) -> str:
        """Digest of all that a training reads, rows and provenance: for other data it starts anew, never continues."""
        shards = [path for table in ("frames", "mel", "landmarks") for path in self.shards(table)]
        return value_digest([table_digest(path) for path in (self.splits, self.labels, self.shapes, *shards)])
