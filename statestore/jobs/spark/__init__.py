"""Spark applications whose driver runs in the cluster.

from statestore.jobs.spark import Application, SparkSubmitJob
"""

from statestore.jobs.spark.application import Application
from statestore.jobs.spark.job import SparkSubmitJob
from statestore.jobs.spark.standalone import Standalone

__all__ = ["Application", "SparkSubmitJob", "Standalone"]
