"""How fast datatrove cleans and deduplicates a folder of JSON lines: the peer of bench/data.mjs.

    python reference/datatrove_speed.py clean|dedup DIRECTORY

Prints one line of JSON: seconds, documents kept, peak memory in KiB. One process; its own defaults (5-grams, 14 bands of 8).
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets
from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from loguru import logger

logger.remove()


def run(folder, name, pipeline):
    LocalPipelineExecutor(pipeline=pipeline, tasks=1, logging_dir=f"{folder}/logs-{name}").run()


def main():
    stage, data = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/out"
        start = time.perf_counter()
        writer = JsonlWriter(out, compression=None)
        if stage == "clean":
            run(folder, "clean", [JsonlReader(data), GopherQualityFilter(), GopherRepetitionFilter(), writer])
        else:
            config = MinhashConfig()
            run(folder, "sig", [JsonlReader(data), MinhashDedupSignature(output_folder=f"{folder}/sig", config=config)])
            buckets = MinhashDedupBuckets(input_folder=f"{folder}/sig", output_folder=f"{folder}/buckets", config=config)
            LocalPipelineExecutor(pipeline=[buckets], tasks=config.num_buckets, logging_dir=f"{folder}/logs-b").run()
            cluster = MinhashDedupCluster(input_folder=f"{folder}/buckets", output_folder=f"{folder}/remove", config=config)
            run(folder, "cluster", [cluster])
            run(folder, "filter", [JsonlReader(data), MinhashDedupFilter(input_folder=f"{folder}/remove"), writer])
        seconds = time.perf_counter() - start
        kept = sum(1 for file in Path(out).glob("*.jsonl") for _ in file.open())
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({"seconds": seconds, "kept": kept, "maxRss": memory}))


if __name__ == "__main__":
    main()
