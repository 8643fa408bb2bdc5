# From a folder of clips to results/report/index.html. Values live in workflow/presets, types in src/eap/config.py.
from pathlib import Path

from snakemake.settings.types import DeploymentMethod
from snakemake.utils import min_version

from eap.config import ConfigError
from eap.experiments import load_experiments

min_version("9.27")


configfile: Path(workflow.basedir) / "config.yaml"


try:
    EXPERIMENTS = load_experiments(config, Path(workflow.basedir) / "workflow" / "presets")
except ConfigError as error:
    raise WorkflowError(str(error)) from None


cfg = EXPERIMENTS.base


# For --software-deployment-method apptainer; envs/eap.def says how to build it. Snakemake refuses an image at a path with
# a space even when it is not asked for.
IMAGE = str(Path(workflow.basedir) / "envs" / "eap.sif")
WANTED = DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method


container: IMAGE if WANTED or " " not in IMAGE else None


include: "workflow/rules/common.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        "results/report/index.html",
