"""Event files by TensorBoard itself.

    python reference/tensorboard_events.py --out test/fixtures/tensorboard.json   # what its own writer writes
    python reference/tensorboard_events.py --read FOLDER                          # what it reads from philab's files

Needs tensorboard==2.21.0.
"""

import argparse
import base64
import io
import json

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

WALL_TIME_MS = 1_700_000_000_123
STEPS = [
    {"step": 1, "values": {"train/loss": 6.25, "train/learning_rate": 0.0003}},
    {"step": 130, "values": {"train/loss": 0.0, "eval/loss": -1.5}},
    {"step": 3_000_000_000, "values": {"train/größe": 1e30, "train/nan": float("nan")}},
]


def write(after_step):
    stream = io.BytesIO()
    writer = RecordWriter(stream)
    wall_time = WALL_TIME_MS / 1000
    events = [Event(wall_time=wall_time, file_version="brain.Event:2")]
    if after_step > 0:
        events.append(Event(wall_time=wall_time, step=after_step + 1, session_log=SessionLog(status=SessionLog.START)))
    for row in STEPS:
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in row["values"].items()]
        events.append(Event(wall_time=wall_time, step=row["step"], summary=Summary(value=values)))
    for event in events:
        writer.write(event.SerializeToString())
    writer.flush()
    return base64.b64encode(stream.getvalue()).decode()


def read(folder):
    accumulator = EventAccumulator(folder).Reload()
    for tag in sorted(accumulator.Tags()["scalars"]):
        print(tag, [(event.step, event.value) for event in accumulator.Scalars(tag)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--out")
    parser.add_argument("--read")
    arguments = parser.parse_args()
    if arguments.out:
        steps = [{**row, "values": {k: v if v == v else "NaN" for k, v in row["values"].items()}} for row in STEPS]
        files = [{"afterStep": after, "base64": write(after)} for after in (0, 20)]
        with open(arguments.out, "w", encoding="utf-8") as file:
            json.dump({"wallTimeMs": WALL_TIME_MS, "steps": steps, "files": files}, file, ensure_ascii=False, indent=1)
            file.write("\n")
    if arguments.read:
        read(arguments.read)
