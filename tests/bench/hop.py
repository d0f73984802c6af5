"""A frame's hop through dora: two nodes of one dataflow, the frame as an array of bytes through shared memory.

Run by itself this file is one of the nodes. Times are of the machine's monotonic clock, which both processes share.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

FRAME_BYTES = 1280 * 720 * 3
FRAMES, WARM_UP = 150, 20
# Between two frames: long enough for one to arrive before the next leaves.
PAUSE_S = 0.02
DATAFLOW = """
nodes:
  - id: sender
    path: {here}
    args: sender
    inputs:
      tick: dora/timer/millis/1000
    outputs:
      - frame
  - id: receiver
    path: {here}
    args: receiver {times}
    inputs:
      frame:
        source: sender/frame
        queue_size: 1
"""


def dora_hop_us():
    """Median time from sending a frame to having it, microseconds; None where dora is not installed or does not run."""
    # A process of its own: dora logs to its terminal.
    measured = subprocess.run([sys.executable, __file__, "measure"], capture_output=True, text=True, timeout=60)
    last = measured.stdout.strip().splitlines()[-1:]
    return float(last[0]) if measured.returncode == 0 and last else None


def measure():
    import dora

    with tempfile.TemporaryDirectory() as folder:
        times, flow = pathlib.Path(folder, "times.json"), pathlib.Path(folder, "flow.yml")
        flow.write_text(DATAFLOW.format(here=os.path.abspath(__file__), times=times))
        dora.run(str(flow))
        print("\n", statistics.median(json.loads(times.read_text())[WARM_UP:]), sep="")


def sender():
    import pyarrow
    from dora import Node

    node, frame = Node(), pyarrow.array([7] * FRAME_BYTES, type=pyarrow.uint8())
    node.next()
    for _ in range(FRAMES):
        node.send_output("frame", frame, {"sent_ns": time.monotonic_ns()})
        time.sleep(PAUSE_S)


def receiver(times):
    from dora import Node

    took = []
    for event in Node():
        if event["type"] == "INPUT":
            first = event["value"][0].as_py()
            took.append((time.monotonic_ns() - event["metadata"]["sent_ns"]) / 1e3)
            assert first == 7
    pathlib.Path(times).write_text(json.dumps(took))


if __name__ == "__main__":
    {"measure": measure, "sender": sender, "receiver": receiver}[sys.argv[1]](*sys.argv[2:])


def pipe_hop_us(rounds=5000):
    """Median time of one byte's way through a pipe to another process, which waits for it, microseconds: what waking somebody costs
    on this computer, whatever the message. Most of it where the other core sleeps, little where both share one."""
    (there, to), (back, answer) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            while os.read(there, 1) == b"x":
                os.write(answer, b"x")
        finally:
            os._exit(0)
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        os.write(to, b"x")
        os.read(back, 1)
        times.append((time.perf_counter() - started) * 1e6 / 2)
    os.write(to, b"q")
    os.waitpid(child, 0)
    for end in (there, to, back, answer):
        os.close(end)
    return statistics.median(times)
