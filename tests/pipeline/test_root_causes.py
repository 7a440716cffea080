"""One line, the cause and not its envelopes, out of what each runner says."""

from __future__ import annotations

import pytest

from beam_deeplab.pipeline.root_causes import root_cause

_PYTHON = """\
Traceback (most recent call last):
  File "/usr/lib/python3.11/apache_beam/runners/common.py", line 1498, in process
    return self.do_fn_invoker.invoke_process(windowed_value)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/app/beam_deeplab/deeplab/zoo/locating.py", line 88, in locate
    raise ModelNotFound(reference)
beam_deeplab.deeplab.zoo.errors.ModelNotFound: gs://b/models/m: there is no such object

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/usr/lib/python3.11/apache_beam/runners/worker/sdk_worker.py", line 311, in _execute
    response = task()
               ^^^^^^
beam_deeplab.deeplab.zoo.errors.ModelNotFound: gs://b/models/m: there is no such object [while \
running 'SegmentShards/SegmentEncoded/Infer/BeamML_RunInference']
"""
_CAUSE = "ModelNotFound: gs://b/models/m: there is no such object"

FLINK = (
    "Pipeline app-root-1125 failed in state FAILED: java.lang.RuntimeException: Error received "
    f"from SDK harness for instruction 5: {_PYTHON}"
    "\n\tat org.apache.beam.runners.fnexecution.control.FnApiControlClient$ResponseStreamObserver"
    ".onNext(FnApiControlClient.java:180)\n\tat java.base/java.lang.Thread.run(Thread.java:840)\n"
)
FLINK_NESTED = (
    "org.apache.flink.runtime.client.JobExecutionException: Job execution failed.\n"
    "\tat org.apache.flink.runtime.jobmaster.JobResult.toJobExecutionResult(JobResult.java:144)\n"
    "Caused by: org.apache.flink.runtime.JobException: Recovery is suppressed by "
    "NoRestartBackoffTimeStrategy\n"
    "\t... 4 more\n"
    "Caused by: java.lang.RuntimeException: Error received from SDK harness for instruction 7: "
    f"{_PYTHON}\n\t... 9 more\n"
)
SPARK = (
    "java.lang.RuntimeException: org.apache.spark.SparkException: Job aborted due to stage "
    "failure: Task 0 in stage 2.0 failed 1 times\n"
    "\tat org.apache.spark.scheduler.DAGScheduler.failJobAndIndependentStages\n"
    "Caused by: java.util.concurrent.TimeoutException: Timed out while waiting for command "
    "'docker run'\n\tat java.base/java.lang.Thread.run\n"
)
DATAFLOW = f"Dataflow pipeline failed. State: FAILED, Error:\n{_PYTHON}"
DATAFLOW_WORKERS = (
    "Dataflow pipeline failed. State: FAILED, Error:\nWorkflow failed. Causes: S09:Patterns/Read"
    "+SegmentShards/Read failed., The job failed because a work item has failed 4 times. Look in "
    "previous log entries for the cause of each one of the 4 failures. \n"
    "      segment-root-1125-11250911-h9kq-harness-w1x2\n"
    "      Root cause: The worker lost contact with the service.\n"
)
DATAFLOW_QUOTA = (
    "Dataflow pipeline failed. State: FAILED, Error:\nWorkflow failed. Causes: Project p has "
    "insufficient quota(s) to execute this workflow with 1 instances in region europe-west4."
)
PRISM = (
    "Pipeline job-001 failed in state FAILED: bundle inst007 stage-005 failed:" + _PYTHON
).replace("\n", "\\n")
GRPC = (
    "<_MultiThreadedRendezvous of RPC that terminated with:\n"
    "\tstatus = StatusCode.DEADLINE_EXCEEDED\n"
    '\tdetails = "Deadline Exceeded"\n'
    '\tdebug_error_string = "UNKNOWN:Error received from peer ipv4:127.0.0.1:8073 '
    '{grpc_status:4, grpc_message:"Deadline Exceeded"}"\n>'
)
LOCAL = "ValueError: shard 1: two rows for image 3 [while running 'SegmentShards/Write']"
SILENT = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    g()\nMemoryError\n'
CHAINED = (
    'Traceback (most recent call last):\n  File "x.py", line 1, in f\nRuntimeError: CUDA '
    "error\n\nThe above exception was the direct cause of the following exception:\n\n"
    'Traceback (most recent call last):\n  File "y.py", line 2, in g\n'
    "beam_deeplab.transforms.segmenting.inference.DeviceLostError: the device has gone sick\n"
)
GROUPED = (
    '  + Exception Group Traceback (most recent call last):\n  |   File "x.py", line 3\n'
    "  | ExceptionGroup: many (1 sub-exception)\n"
)


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (_PYTHON, _CAUSE),
        (FLINK, _CAUSE),
        (FLINK_NESTED, _CAUSE),
        (SPARK, "TimeoutException: Timed out while waiting for command 'docker run'"),
        (DATAFLOW, _CAUSE),
        (DATAFLOW_WORKERS, "The worker lost contact with the service."),
        (
            DATAFLOW_QUOTA,
            "Workflow failed. Causes: Project p has insufficient quota(s) to execute this "
            "workflow with 1 instances in region europe-west4.",
        ),
        (PRISM, _CAUSE),
        (GRPC, "DEADLINE_EXCEEDED: Deadline Exceeded"),
        (LOCAL, "ValueError: shard 1: two rows for image 3"),
        (SILENT, "MemoryError"),
        (CHAINED, "DeviceLostError: the device has gone sick"),
        ("Pipeline failed.", "Pipeline failed."),
        ("", ""),
        ("\n\n", ""),
    ],
)
def test_the_cause_is_one_line(said: str, cause: str) -> None:
    assert root_cause(said) == cause


@pytest.mark.parametrize("said", [FLINK, SPARK, DATAFLOW_WORKERS, PRISM, GRPC, GROUPED])
def test_no_envelope_is_left(said: str) -> None:
    cause = root_cause(said)
    assert cause
    assert "\n" not in cause
    for envelope in ("SDK harness", "Traceback", "while running", "java.lang", "Rendezvous"):
        assert envelope not in cause


def test_a_name_in_a_message_is_not_taken_for_more() -> None:
    said = (
        'Traceback (most recent call last):\n  File "x.py", line 1, in f\n'
        "PermissionError: [Errno 13] Permission denied: '/in/Error: x.jpg'\n"
    )
    assert root_cause(said) == "PermissionError: [Errno 13] Permission denied: '/in/Error: x.jpg'"
