"""Ultralytics beside ocellus on one ONNX and the same pictures: its NMS, its `predict` and `track`, its start, its memory.

Wants torch (several GB). Every figure of a program is of a process of its own; boxes of both are compared.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

# One thread for both sides.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "YOLO_VERBOSE": "False", "YOLO_OFFLINE": "True"}
# Of the process itself, start to end; `first` after one picture, `predict` and `track` after all of a folder.
PEER = """
import pathlib, sys, time
import torch
torch.set_num_threads(1)
from ultralytics import YOLO
verb, model, pictures = sys.argv[1:]
paths = sorted(str(p) for p in pathlib.Path(pictures).iterdir())
network = YOLO(model, task="detect")
call = network.track if verb == "track" else network.predict
first = call(paths[0], verbose=False, device="cpu", conf=0.25, iou=0.45, rect=False)
found = len(first[0].boxes)
if verb != "first":
    started = time.perf_counter()
    for path in paths:
        extra = {"persist": True} if verb == "track" else {}
        found += len(call(path, verbose=False, device="cpu", conf=0.25, iou=0.45, rect=False, **extra)[0].boxes)
    print("SECONDS", time.perf_counter() - started)
"""


def measured(command):
    """Seconds from start to end, most memory in MB, and what a process said."""
    started = time.perf_counter()
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    said = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command[0]} failed: {status}")
    return time.perf_counter() - started, usage.ru_maxrss / 1024, said


def peer(verb, model, pictures):
    return measured([sys.executable, "-c", PEER, verb, model, pictures])


def nms_us(tensor, median_us):
    """Median time of its NMS on a tensor, one thread."""
    import torch
    from ultralytics.utils.nms import non_max_suppression

    torch.set_num_threads(1)
    made = torch.from_numpy(tensor)
    return median_us(lambda: non_max_suppression(made.clone(), 0.25, 0.45))


def boxes_apart(program, model, pictures):
    """Most that a box of ocellus lies from ultralytics' nearest of its class, px, and how many there are of each."""
    from ultralytics import YOLO

    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder, "out.json")
        command = [program, "detect", model, pictures, "--coco", out, "--score", "0.25", "--nms", "0.45"]
        subprocess.run([str(c) for c in command], check=True, capture_output=True)
        ours = json.loads(out.read_text())
    network, paths = YOLO(model, task="detect"), sorted(pathlib.Path(pictures).iterdir())
    worst, theirs = 0.0, 0
    by_picture = {}
    for box in ours:
        by_picture.setdefault(box["image_id"], []).append(box)
    for path in paths:
        said = network.predict(str(path), verbose=False, device="cpu", conf=0.25, iou=0.45, rect=False)[0].boxes
        theirs += len(said)
        mine = by_picture.get(int(path.stem), [])
        for corners, score in zip(said.xyxy.tolist(), said.conf.tolist()):
            x0, y0, x1, y1 = corners
            far = [
                max(abs(a - b) for a, b in zip(box["bbox"], (x0, y0, x1 - x0, y1 - y0)))
                for box in mine
                if abs(box["score"] - score) < 0.02
            ]
            worst = max(worst, min(far, default=float("inf")))
    return worst, len(ours), theirs


def compare(program, model, pictures, turns, row):
    """Prints what both take on `pictures`, in turns."""
    starts, memory, rates = {"ours": [], "theirs": []}, {"ours": [], "theirs": []}, {"ours": [], "predict": [], "track": []}
    with tempfile.TemporaryDirectory() as folder:
        first = pathlib.Path(folder, "first")
        first.mkdir()
        one = sorted(pathlib.Path(pictures).iterdir())[0]
        os.symlink(one.absolute(), first / one.name)
        count = len(list(pathlib.Path(pictures).iterdir()))
        for turn in range(turns):
            seconds, _, _ = peer("first", model, first)
            starts["theirs"].append(1e6 * seconds)
            out = pathlib.Path(folder, f"one{turn}")
            seconds, _, _ = measured([program, "replay", first, "--model", model, "--out", out, "--threads", "1", "--json"])
            starts["ours"].append(1e6 * seconds)
            for verb in ("predict", "track"):
                _, most, said = peer(verb, model, pictures)
                rates[verb].append(1e6 * float(said.split("SECONDS")[1]))
                if verb == "predict":
                    memory["theirs"].append(most)
            out = pathlib.Path(folder, f"all{turn}")
            _, most, said = measured([program, "replay", pictures, "--model", model, "--out", out, "--threads", "1", "--json"])
            memory["ours"].append(most)
            rates["ours"].append(1e6 * json.loads(said)["wall_s"])
    row("start of the process to its end, 1 picture", "ultralytics predict", starts["theirs"], starts["ours"], 10)
    row(f"{count} pictures, detected", "ultralytics predict", rates["predict"], rates["ours"], None)
    row(f"{count} pictures, detected and tracked", "ultralytics track", rates["track"], rates["ours"], None)
    row("most memory (MB) of a replay", "ultralytics predict", memory["theirs"], memory["ours"], 5)
    worst, ours, theirs = boxes_apart(program, model, pictures)
    print(f"  boxes: {ours} of ocellus, {theirs} of ultralytics; {worst:.4f} px apart at most")


def installed():
    try:
        import torch  # noqa: F401
        import ultralytics  # noqa: F401
    except ImportError:
        return False
    return True
