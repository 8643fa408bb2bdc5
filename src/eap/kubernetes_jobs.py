"""Snakemake's job scripts as Kubernetes Jobs, by `kubectl`: the commands of the profile `kubernetes`.

``eap-kubernetes-submit SCRIPT`` prints the name of a new Job, ``eap-kubernetes-status NAME`` prints success, running
or failed, ``eap-kubernetes-cancel NAME...`` deletes Jobs. Pods mount the volume that holds everything (docs/adr/0028).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

PROPERTIES = "# properties = "
KEPT_S = 24 * 3600
"""For so long a Job that ended stays, with its log."""


class SubmitError(Exception):
    """A message for the person who submits."""


def job_manifest(script: str, directory: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """The Job that runs a script of Snakemake's.

    Parameters
    ----------
    script
        Its text; the line ``# properties = {...}`` names threads and resources (mem_mb, runtime in minutes, gpu).
    directory
        The working directory, on the volume.
    environment
        EAP_KUBERNETES_IMAGE, _CLAIM, _MOUNT; PATH, which the pod gets too; and EAP_KUBERNETES_SECRET, if the pod
        shall have the variables of a Kubernetes Secret (what ``${NAME}`` in the configuration asks for).

    Raises
    ------
    SubmitError
        If a variable is not set, the directory is not on the volume, or the script has no properties.
    """
    lines = [line for line in script.splitlines() if line.startswith(PROPERTIES)]
    if not lines:
        raise SubmitError("the script has no line of properties; it was not written by Snakemake")
    properties = json.loads(lines[0].removeprefix(PROPERTIES))
    resources = properties.get("resources", {})
    mount = Path(_setting(environment, "MOUNT"))
    if not directory.is_relative_to(mount):
        raise SubmitError(f"the working directory {directory} is not below EAP_KUBERNETES_MOUNT={mount}")
    amounts = {"cpu": str(properties.get("threads", 1)), "memory": f"{int(resources['mem_mb'])}M"}
    if int(resources.get("gpu", 0)):
        amounts["nvidia.com/gpu"] = str(int(resources["gpu"]))
    secret = environment.get("EAP_KUBERNETES_SECRET")
    container = {
        "name": "job",
        "image": _setting(environment, "IMAGE"),
        "command": ["/bin/sh", "-c", script],
        "workingDir": str(directory),
        "env": [{"name": "PATH", "value": environment["PATH"]}],
        "envFrom": [{"secretRef": {"name": secret}}] if secret else [],
        # As much as asked for and no more: a job that takes more is killed and retried with more.
        "resources": {"requests": amounts, "limits": amounts},
        "volumeMounts": [{"name": "eap", "mountPath": str(mount)}],
    }
    pod = {
        "restartPolicy": "Never",
        "containers": [container],
        "volumes": [{"name": "eap", "persistentVolumeClaim": {"claimName": _setting(environment, "CLAIM")}}],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": "eap-", "labels": {"app": "eap"}},
        "spec": {
            "backoffLimit": 0,  # Snakemake retries, with more memory
            "activeDeadlineSeconds": 60 * int(resources["runtime"]),
            "ttlSecondsAfterFinished": KEPT_S,
            "template": {"metadata": {"labels": {"app": "eap"}}, "spec": pod},
        },
    }


def job_status(job: Mapping[str, Any] | None) -> str:
    """success, running or failed, of a Job as `kubectl` describes it; None: it is gone."""
    if job is None:
        return "failed"
    ended = {c["type"] for c in job.get("status", {}).get("conditions", []) if c["status"] == "True"}
    if "Complete" in ended:
        return "success"
    return "failed" if "Failed" in ended else "running"


def kubectl(*arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run `kubectl` in the namespace of EAP_KUBERNETES_NAMESPACE, or the current context's."""
    namespace = os.environ.get("EAP_KUBERNETES_NAMESPACE")
    command = ["kubectl", *(["--namespace", namespace] if namespace else []), *arguments]
    try:
        return subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise SubmitError("kubectl is not on PATH; install it and configure your cluster") from None


def submit() -> None:
    """``eap-kubernetes-submit SCRIPT``."""
    _run(_submit)


def status() -> None:
    """``eap-kubernetes-status NAME``."""
    _run(_status)


def cancel() -> None:
    """``eap-kubernetes-cancel NAME...``."""
    _run(_cancel)


def _submit(arguments: list[str]) -> None:
    script = Path(arguments[-1]).read_text(encoding="utf-8")
    manifest = job_manifest(script, Path.cwd(), os.environ)
    done = kubectl("create", "--filename=-", "--output=jsonpath={.metadata.name}", given=json.dumps(manifest))
    if done.returncode:
        raise SubmitError(f"kubectl create failed: {done.stderr.strip()}")
    print(done.stdout.strip())


def _status(arguments: list[str]) -> None:
    done = kubectl("get", "job", arguments[-1], "--output=json")
    if done.returncode and "NotFound" not in done.stderr:
        # The API server may be away for a while: the job is not.
        print(f"kubectl get failed: {done.stderr.strip()}", file=sys.stderr)
        print("running")
    else:
        print(job_status(None if done.returncode else json.loads(done.stdout)))


def _cancel(arguments: list[str]) -> None:
    done = kubectl("delete", "job", *arguments, "--ignore-not-found", "--wait=false")
    if done.returncode:
        raise SubmitError(f"kubectl delete failed: {done.stderr.strip()}")


def _run(command: Callable[[list[str]], None]) -> None:
    try:
        command(sys.argv[1:])
    except SubmitError as error:
        sys.exit(f"error: {error}")


def _setting(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(f"EAP_KUBERNETES_{name}")
    if not value:
        raise SubmitError(f"EAP_KUBERNETES_{name} is not set; see workflow/profiles/kubernetes/config.yaml")
    return value
