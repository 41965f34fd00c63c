"""Spark applications whose driver runs in the cluster.

from statestore.jobs.spark import Application, SparkSubmitJob
"""

from statestore.jobs.spark.application import Application
from statestore.jobs.spark.job import SparkSubmitJob
from statestore.jobs.spark.standalone import Standalone
from statestore.jobs.spark.yarn import Yarn
from statestore.jobs.spark.yarn_rest import SparkYarnJob

__all__ = ["Application", "SparkSubmitJob", "SparkYarnJob", "Standalone", "Yarn"]
