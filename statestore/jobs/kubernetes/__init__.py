"""Jobs of Kubernetes (batch/v1), `statestore[kubernetes]`.

from statestore.jobs.kubernetes import KubernetesJob
"""

from statestore.jobs.kubernetes.job import KubernetesJob, KubernetesResult

__all__ = ["KubernetesJob", "KubernetesResult"]
