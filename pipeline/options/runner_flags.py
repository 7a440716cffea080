"""Flags that only a runner's job service knows, for runners whose job service Beam starts itself.

As the job services of Beam 2.62 for Flink 1.19 and Spark 3 describe them; what stands behind
``--job_endpoint`` is asked (:mod:`pipeline.job_services`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Kind = Literal["switch", "integer", "number", "text"]

_PORTABLE: Final = {
    "switch": "enable_heap_dumps load_balance_bundles",
    "integer": "environment_expiration_millis",
    "text": "default_environment_config default_environment_type",
}
_FLINK: Final = {
    "switch": "allow_non_restored_state attached_mode auto_balance_write_files_sharding_enabled "
    "disable_metrics enable_stable_input_drain externalized_checkpoints_enabled "
    "fail_on_checkpointing_errors faster_copy finish_bundle_before_checkpointing "
    "force_unaligned_checkpoint_enabled object_reuse operator_chaining "
    "re_iterable_group_by_key_result retain_externalized_checkpoints_on_cancellation "
    "unaligned_checkpoint_enabled use_data_stream_for_batch",
    "integer": "auto_watermark_interval checkpoint_timeout_millis checkpointing_interval "
    "execution_retry_delay file_input_split_max_size_m_b job_check_interval_in_secs "
    "latency_tracking_interval max_bundle_size max_bundle_time_mills "
    "min_pause_between_checkpoints num_concurrent_checkpoints number_of_execution_retries "
    "shutdown_sources_after_idle_ms",
    "text": "checkpointing_mode execution_mode_for_batch flink_conf_dir "
    "report_checkpoint_duration savepoint_path state_backend state_backend_factory "
    "state_backend_storage_path",
}
_SPARK: Final = {
    "switch": "cache_disabled enable_spark_metric_sinks uses_provided_spark_context",
    "integer": "batch_interval_millis bundle_size checkpoint_duration_millis "
    "max_records_per_batch min_read_time_millis streaming_timeout_ms",
    "number": "read_time_percentage",
    "text": "checkpoint_dir spark_master storage_level",
}


def _table(*parts: Mapping[str, str]) -> Mapping[str, Kind]:
    kinds: tuple[Kind, ...] = ("switch", "integer", "number", "text")
    return {
        f"--{name}": kind for part in parts for kind in kinds for name in part.get(kind, "").split()
    }


RUNNER_FLAGS: Final[Mapping[str, Mapping[str, Kind]]] = {
    "FlinkRunner": _table(_FLINK, _PORTABLE),
    "SparkRunner": _table(_SPARK, _PORTABLE),
}
"""By runner and flag, what the flag takes."""
