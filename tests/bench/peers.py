#!/usr/bin/env python3
"""What a user would write or install instead, beside Ocellus, A and B in turn within the same minutes, as ratios.

    python3 -m venv venv && venv/bin/pip install numpy opencv-python-headless onnxruntime==1.31.1
    venv/bin/python tests/bench/peers.py --program target/release/ocellus --model yolox_nano.onnx --pictures FOLDER

Optional peers are measured where they are installed: trackers (ByteTrack), dora (dora-rs, dora-rs-cli and pyarrow), with onnx
whether a batch of several cameras' pictures pays, and with --ultralytics MODEL.onnx its NMS, `predict` and `track` (it wants
torch, several GB, onnx and lap). Machines are noisy: every ratio is of medians of runs that took turns, and no absolute time is judged.
"""

import argparse
import importlib.util
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import cv2
import numpy as np
import onnxruntime

import batch
import heavy
import hop

TURNS = 5
# Boxes and scores are the same so far (px).
SAME_PX = 1e-3
SIDE = 640
CELLS, CLASSES, OBJECTS, NEAR = 8400, 80, 60, 8
# The steps of `ocellus bench stages` that have a peer.
LETTERBOX = "letterbox 1280x720 RGB"
DECODE = "decode Yolov8 84x8400"
TRACK = "track 200 objects"
HOP = "a frame of 2.76 MB there and back"


def median_us(step, runs=30):
    """Median time of `step`, microseconds, after a warm-up."""
    for _ in range(3):
        step()
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        step()
        times.append((time.perf_counter() - started) * 1e6)
    return statistics.median(times)


def ours(program, name, steps):
    """Median of one of our steps, out of a bench's JSON."""
    found = [s["p50_us"] for s in steps if s["step"].startswith(name)]
    if not found:
        raise SystemExit(f"{program}: its bench has no step {name!r}")
    return found[0]


def bench(program):
    out = subprocess.run([program, "bench", "stages", "--json", "--each", "150"], check=True, capture_output=True)
    return json.loads(out.stdout)["steps"]


def letterbox(picture, side, fill=114, centre=True):
    """Resize by the smaller scale and pad: what most programs do before a YOLO."""
    scale = min(side / picture.shape[0], side / picture.shape[1])
    w, h = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    small = cv2.resize(picture, (w, h), interpolation=cv2.INTER_LINEAR)
    x, y = ((side - w) // 2, (side - h) // 2) if centre else (0, 0)
    return cv2.copyMakeBorder(small, y, side - h - y, x, side - w - x, cv2.BORDER_CONSTANT, value=(fill,) * 3), scale


def preprocessing():
    picture = np.random.default_rng(1).integers(0, 256, (720, 1280, 3), dtype=np.uint8)

    def step():
        boxed, _ = letterbox(picture, SIDE)
        return np.ascontiguousarray(boxed.transpose(2, 0, 1)[None].astype(np.float32) / 255.0)

    return median_us(step)


def crowd():
    """A tensor of YOLOv8's form with objects that several candidates name."""
    rng = np.random.default_rng(2)
    tensor = rng.random((1, 4 + CLASSES, CELLS), dtype=np.float32) * 0.05
    middles, sizes = rng.random((OBJECTS, 2)) * 0.9 * SIDE + 0.05 * SIDE, 20 + 80 * rng.random((OBJECTS, 2))
    for k in range(OBJECTS * NEAR):
        o, column = k // NEAR, k * 17 % CELLS
        tensor[0, :2, column] = middles[o] + 0.1 * sizes[o] * (rng.random(2) - 0.5)
        tensor[0, 2:4, column] = sizes[o]
        tensor[0, 4 + o % CLASSES, column] = 0.3 + 0.6 * rng.random()
    return tensor


def decode_numpy(tensor, score=0.25, iou=0.45):
    """Boxes by numpy, suppression by OpenCV's batched NMS."""
    rows = tensor[0].T
    best = rows[:, 4:].max(1)
    kept = rows[best > score]
    classes, scores = kept[:, 4:].argmax(1), best[best > score]
    boxes = np.c_[kept[:, 0] - kept[:, 2] / 2, kept[:, 1] - kept[:, 3] / 2, kept[:, 2], kept[:, 3]]
    chosen = cv2.dnn.NMSBoxesBatched(boxes.tolist(), scores.tolist(), classes.tolist(), score, iou)
    return boxes[chosen], scores[chosen], classes[chosen]


def bytetrack():
    try:
        import supervision
        from trackers import ByteTrackTracker
    except ImportError:
        return None
    rng = np.random.default_rng(3)
    corners, sides, drift = rng.random((200, 2)) * [1800, 950], 20 + 60 * rng.random((200, 1)), rng.random((200, 2)) - 0.5
    tracker, frame = ByteTrackTracker(), 0

    def step():
        nonlocal frame
        at = corners + drift * [4, 2] * frame
        frame += 1
        found = supervision.Detections(
            xyxy=np.c_[at, at + sides], confidence=np.full(200, 0.8), class_id=np.zeros(200, dtype=int)
        )
        tracker.update(found)

    return median_us(step)


def yolox_loop(model, pictures):
    """Python's onnxruntime with OpenCV and numpy, one picture after the other: seconds of the whole, and boxes found."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    side = session.get_inputs()[0].shape[2]
    grids, strides = [], []
    for stride in (8, 16, 32):
        n = side // stride
        ys, xs = np.mgrid[:n, :n]
        grids.append(np.c_[xs.ravel(), ys.ravel()])
        strides.append(np.full((n * n, 1), stride))
    grids, strides = np.vstack(grids), np.vstack(strides)
    name, found = session.get_inputs()[0].name, 0
    session.run(None, {name: np.zeros((1, 3, side, side), np.float32)})
    started, cpu = time.perf_counter(), time.process_time()
    for path in pictures:
        boxed, _ = letterbox(cv2.imread(str(path)), side, centre=False)
        rows = session.run(None, {name: np.ascontiguousarray(boxed.transpose(2, 0, 1)[None], np.float32)})[0][0]
        rows[:, :2] = (rows[:, :2] + grids) * strides
        rows[:, 2:4] = np.exp(rows[:, 2:4]) * strides
        scores = rows[:, 5:] * rows[:, 4:5]
        best = scores.max(1)
        kept = best > 0.25
        boxes, classes = rows[kept], scores[kept].argmax(1)
        corners = np.c_[boxes[:, :2] - boxes[:, 2:4] / 2, boxes[:, 2:4]]
        found += len(cv2.dnn.NMSBoxesBatched(corners.tolist(), best[kept].tolist(), classes.tolist(), 0.25, 0.45))
    return time.perf_counter() - started, time.process_time() - cpu, found


def our_loop(program, model, pictures):
    """`ocellus replay` on the same pictures, one thread; start-up and writing included, as its own summary has it."""
    with tempfile.TemporaryDirectory() as folder:
        drive, out = pathlib.Path(folder, "drive"), pathlib.Path(folder, "run")
        drive.mkdir()
        for i, path in enumerate(pictures):
            os.symlink(os.path.abspath(path), drive / f"{i:06d}{path.suffix}")
        command = [program, "replay", drive, "--model", model, "--out", out, "--threads", "1", "--json"]
        run = subprocess.run(command, check=True, capture_output=True)
        summary = json.loads(run.stdout)
        return summary["wall_s"], sum(summary["objects"].values())


def row(what, peer, peers_us, ours_us, wanted):
    ratio = statistics.median(peers_us) / statistics.median(ours_us)
    verdict = "" if wanted is None else ("  held" if ratio >= wanted else "  NOT HELD")
    print(f"{what:42} {peer:36} {statistics.median(peers_us):12.1f} {statistics.median(ours_us):12.1f} {ratio:8.2f}x"
          + (f"  (at least {wanted}x){verdict}" if wanted else ""))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--program", required=True, help="the built ocellus")
    arguments.add_argument("--model", help="a YOLOX as ONNX, for the loops")
    arguments.add_argument("--pictures", help="a folder of pictures, for the loops")
    arguments.add_argument("--ultralytics", metavar="ONNX", help="a network that Ultralytics exported, for its predict and track")
    asked = arguments.parse_args()
    cv2.setNumThreads(1)
    tensor = crowd()
    peers = {"letterbox": [], "decode": [], "ultralytics": [], "bytetrack": [], "dora": [], "pipe": []}
    mine = {LETTERBOX: [], DECODE: [], TRACK: [], HOP: []}
    with_ultralytics = asked.ultralytics and heavy.installed()
    for _ in range(TURNS):
        steps = bench(asked.program)
        for name, times in mine.items():
            times.append(ours(asked.program, name, steps))
        peers["letterbox"].append(preprocessing())
        peers["decode"].append(median_us(lambda: decode_numpy(tensor)))
        ultralytics = (lambda: heavy.nms_us(tensor, median_us)) if with_ultralytics else (lambda: None)
        for name, measure in (("ultralytics", ultralytics), ("bytetrack", bytetrack), ("dora", hop.dora_hop_us), ("pipe", hop.pipe_hop_us)):
            us = measure()
            if us is not None:
                peers[name].append(us)
    print(f"{'what':42} {'peer':36} {'peer us':>12} {'ours us':>12} {'ratio':>9}")
    row("letterbox 1280x720 -> 640x640 CHW float", "opencv + numpy, 1 thread", peers["letterbox"], mine[LETTERBOX], 2)
    row("decode + NMS 84x8400, 480 candidates", "numpy + opencv NMS", peers["decode"], mine[DECODE], None)
    if peers["ultralytics"]:
        row("decode + NMS 84x8400, 480 candidates", "ultralytics NMS", peers["ultralytics"], mine[DECODE], 15)
        own, theirs, apart = heavy.same_tensor(asked.program, tensor)
        verdict = "held" if own == theirs and apart <= SAME_PX else "NOT HELD"
        print(f"  boxes of the one tensor: {own} of ocellus, {theirs} of ultralytics, {apart:.1e} apart at most (at most {SAME_PX})  {verdict}")
    else:
        print("ultralytics was not asked for, or is not installed: its NMS was not measured")
    if peers["bytetrack"]:
        row("tracking 200 objects", "trackers ByteTrack", peers["bytetrack"], mine[TRACK], 20)
    else:
        print("trackers is not installed: ByteTrack was not measured")
    if peers["dora"]:
        # Ours goes there and back; half of it is one way.
        row("2.76 MB frame between stages", "dora, two Python nodes", peers["dora"], [us / 2 for us in mine[HOP]], 50)
        row("the same", "one byte, a pipe (waking alone)", peers["pipe"], [us / 2 for us in mine[HOP]], None)
    else:
        print("dora is not installed, or does not run: its hop was not measured")
    if asked.model and asked.pictures:
        found = sorted(p for p in pathlib.Path(asked.pictures).iterdir() if p.suffix.lower() in (".jpg", ".png"))
        theirs, own = [], []
        for _ in range(TURNS):
            wall, _, boxes = yolox_loop(asked.model, found)
            theirs.append(wall * 1e6)
            wall, listed = our_loop(asked.program, asked.model, found)
            own.append(wall * 1e6)
        row(f"{len(found)} pictures, same ONNX and threads", "onnxruntime + opencv + numpy", theirs, own, 1.15)
        print(f"  objects found: {boxes} by the loop, {listed} by ocellus (which tracks, too)")
    if asked.model and importlib.util.find_spec("onnx"):
        batch.compare(asked.model)
    if with_ultralytics and asked.pictures:
        heavy.compare(asked.program, asked.ultralytics, asked.pictures, TURNS, row)


if __name__ == "__main__":
    main()
