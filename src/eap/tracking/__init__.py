"""Runs: logged to local files by the jobs (`run_log`), delivered to MLflow by one process beside them (`delivery`)."""
