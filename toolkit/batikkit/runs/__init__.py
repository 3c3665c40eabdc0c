"""Run folders: what lies in one, who may write into it, and which one is meant."""

from batikkit.runs.history import HISTORY_FILE as HISTORY_FILE
from batikkit.runs.record import RUN_FILE as RUN_FILE
from batikkit.runs.record import RunRecord as RunRecord
from batikkit.runs.record import read_record as read_record
from batikkit.runs.record import read_run as read_run
from batikkit.runs.run import BENCH_FOLDER as BENCH_FOLDER
from batikkit.runs.run import CONFIG_FILE as CONFIG_FILE
from batikkit.runs.run import EXPORT_FOLDER as EXPORT_FOLDER
from batikkit.runs.run import METRICS_FILE as METRICS_FILE
from batikkit.runs.run import MODEL_FILE as MODEL_FILE
from batikkit.runs.run import OTHER_FILE as OTHER_FILE
from batikkit.runs.run import PLOTS_FOLDER as PLOTS_FOLDER
from batikkit.runs.run import Run as Run
from batikkit.runs.store import all_runs as all_runs
from batikkit.runs.store import model_file as model_file
from batikkit.runs.store import newest_run as newest_run
from batikkit.runs.store import resolve_run as resolve_run
