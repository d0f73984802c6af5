"""Ultralytics beside ocellus on one ONNX and the same pictures: its NMS, its `predict` and `track`, its start, its memory.

Wants torch (several GB), onnx and lap. Every figure of a program is of a process of its own; boxes of both are compared.
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


# Runs a command and says what it took. A small process of its own: what a large one starts is charged with its starter's memory.
LAUNCHER = """
import json, os, subprocess, sys, time
started = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
said = process.stdout.read().decode()
_, status, usage = os.wait4(process.pid, 0)
print(json.dumps([time.perf_counter() - started, usage.ru_maxrss / 1024, said, status]))
"""


def measured(command):
    """Seconds from start to end, most memory in MB, and what a process said."""
    launcher = [sys.executable, "-S", "-c", LAUNCHER, *(str(c) for c in command)]
    seconds, most, said, status = json.loads(subprocess.run(launcher, check=True, capture_output=True, env=ENVIRONMENT).stdout)
    if status:
        raise SystemExit(f"{command[0]} failed: {status}")
    return seconds, most, said


def peer(verb, model, pictures):
    return measured([sys.executable, "-c", PEER, verb, model, pictures])


def nms_us(tensor, median_us):
    """Median time of its NMS on a tensor, one thread."""
    import torch
    from ultralytics.utils.nms import non_max_suppression

    torch.set_num_threads(1)
    made = torch.from_numpy(tensor)
    return median_us(lambda: non_max_suppression(made.clone(), 0.25, 0.45))


def same_tensor(program, tensor):
    """Boxes of both sides' decoding and NMS of one tensor: how many each has, and how far the farthest pair of the same class lies apart, px.

    Ours come from a network that answers this tensor whatever it is shown, with the program's own thresholds and those of `nms_us`.
    """
    import cv2
    import numpy as np
    import onnx
    import torch
    from onnx import TensorProto, helper, numpy_helper
    from ultralytics.utils.nms import non_max_suppression

    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["tensor", "nothing"], ["output0"]),
    ]
    side, floats = 640, TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "one tensor",
        [helper.make_tensor_value_info("images", floats, [1, 3, side, side])],
        [helper.make_tensor_value_info("output0", floats, list(tensor.shape))],
        [numpy_helper.from_array(np.float32(0), "zero"), numpy_helper.from_array(tensor, "tensor")],
    )
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    theirs = non_max_suppression(torch.from_numpy(tensor.copy()), 0.25, 0.45)[0].numpy()
    with tempfile.TemporaryDirectory() as folder:
        model, pictures, out = (pathlib.Path(folder, name) for name in ("one.onnx", "pictures", "out.json"))
        onnx.save(network, model)
        pictures.mkdir()
        cv2.imwrite(str(pictures / "1.png"), np.zeros((side, side, 3), np.uint8))
        command = [program, "detect", model, pictures, "--coco", out, "--score", "0.25", "--nms", "0.45"]
        subprocess.run([str(c) for c in command], check=True, capture_output=True)
        ours = json.loads(out.read_text())
    # Classes of COCO's numbering against places in the tensor: told apart by their order.
    classes = {c: i for i, c in enumerate(sorted({box["category_id"] for box in ours}))}
    places = {c: i for i, c in enumerate(sorted(set(theirs[:, 5].astype(int).tolist())))}
    apart = []
    for x0, y0, x1, y1, score, place in theirs.tolist():
        far = [
            max(*(abs(a - b) for a, b in zip(box["bbox"], (x0, y0, x1 - x0, y1 - y0))), abs(box["score"] - score))
            for box in ours
            if classes[box["category_id"]] == places[int(place)]
        ]
        apart.append(min(far, default=float("inf")))
    return len(ours), len(theirs), max(apart)


def boxes_apart(program, model, pictures):
    """How far each of Ultralytics' boxes lies from the nearest of ocellus, px, ascending; and how many ocellus has."""
    from ultralytics import YOLO

    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder, "out.json")
        command = [program, "detect", model, pictures, "--coco", out, "--score", "0.25", "--nms", "0.45"]
        subprocess.run([str(c) for c in command], check=True, capture_output=True)
        ours = json.loads(out.read_text())
    by_picture = {}
    for box in ours:
        by_picture.setdefault(box["image_id"], []).append(box["bbox"])
    network, apart = YOLO(model, task="detect"), []
    for path in sorted(pathlib.Path(pictures).iterdir()):
        said = network.predict(str(path), verbose=False, device="cpu", conf=0.25, iou=0.45, rect=False)[0].boxes
        for x0, y0, x1, y1 in said.xyxy.tolist():
            far = [max(abs(a - b) for a, b in zip(box, (x0, y0, x1 - x0, y1 - y0))) for box in by_picture.get(int(path.stem), [])]
            apart.append(min(far, default=float("inf")))
    return sorted(apart), len(ours)


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
    apart, ours = boxes_apart(program, model, pictures)
    middle, most = apart[len(apart) // 2], apart[len(apart) * 9 // 10]
    print(f"  boxes: {ours} of ocellus, {len(apart)} of ultralytics, px apart: {middle:.3f} at the median, {most:.3f} for 90 %, {apart[-1]:.1f} at most")


def installed():
    try:
        import torch  # noqa: F401
        import ultralytics  # noqa: F401
    except ImportError:
        return False
    return True
