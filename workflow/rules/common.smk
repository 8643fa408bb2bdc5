# What the rules share: where data lies, how a stage is called, what its rerun depends on.
import shlex

import eap
from eap.config import stage_sections
from eap.data.layout import PreparedData
from eap.digest import code_digest, file_sha256, listing_digest

CLIP_STORE = ("clips", "splits", "labels", "shapes", "frames", "mel", "landmarks")  # read by every training stage
DATA = PreparedData(Path("results/data"))
GPU = 1 if cfg.compute.device == "cuda" else 0
TRAINING_GPUS = GPU * cfg.compute.gpus  # of ANT and ERA; everything else fits on one
EMONET = cfg.labels.source == "emonet"

URI = cfg.tracking.uri or "sqlite:///results/mlflow/mlflow.db"
TRACKING = f"--tracking {shlex.quote(URI)} --experiment {shlex.quote(cfg.tracking.experiment)}"

# Jobs run the very sources whose digests are the rules' `code=` params, in whichever environment they start.
SOURCES = shlex.quote(str(Path(eap.__file__).parents[1]))
shell.prefix(f"export PYTHONPATH={SOURCES}${{{{PYTHONPATH:+:$PYTHONPATH}}}}; ")


wildcard_constraints:
    shard=r"\d+",
    seed=r"-?\d+",


def shard_file(table):
    """One shard of a table, its number being the wildcard; `eap.data.layout` owns the name."""
    return str(DATA.shard(table, 0)).replace("=0000", "={shard}")


def all_shards(table):
    """Every shard of a table."""
    return [DATA.shard(table, number) for number in range(cfg.data.shards)]


def prepared(*tables):
    """Input files of a stage that reads the prepared data's folder: whole tables, and all shards of the others."""
    return {table: getattr(DATA, table) if hasattr(DATA, table) else all_shards(table) for table in tables}


def memory(megabytes):
    """Memory of a job, twice as much at each retry: what was killed for lack of it gets through (profile `slurm`)."""
    return lambda wildcards, attempt: megabytes * 2 ** (attempt - 1)


def training_memory(section):
    """Megabytes of ANT or ERA: on the CPU they grow with the pixels of a batch (20 GB measured for 4 x 8 x 256 x 256)."""
    share = section.batch_size * section.frames * cfg.model.image_size**2 / (4 * 8 * 256**2)
    return memory(8000 if GPU else 4000 + round(20000 * share))


def tracking(wildcards, output):
    """Global options of a stage. A param that takes `output` is not recorded: moving the database reruns nothing."""
    return TRACKING


onstart:
    # Parallel jobs must find the database made: creating it is not safe for several processes. This is no rule, since
    # Snakemake 9 overlooks changed params and code behind an `ancient` input that is made anew.
    shell("python -m eap {TRACKING} init-tracking")
