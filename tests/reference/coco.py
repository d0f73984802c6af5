"""pycocotools on made files: its figures, and how long it took.

    coco.py IMAGES FOLDER

Writes FOLDER/gt.json and FOLDER/dt.json (IMAGES pictures, 10 objects and 100 detections each, 20 classes, a fixed seed), then
FOLDER/pycocotools.json: {"stats": [...], "per_class": {name: AP}, "seconds": load, evaluate, accumulate and summarise}.
"""

import contextlib
import io
import json
import pathlib
import random
import sys
import time

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

CLASSES, OBJECTS, DETECTIONS = 20, 10, 100


def made(images, rng):
    truth, found = [], []
    for image in range(1, images + 1):
        objects = []
        for _ in range(OBJECTS):
            w, h = rng.uniform(5, 250), rng.uniform(5, 250)
            box = [rng.uniform(0, 640 - w), rng.uniform(0, 480 - h), w, h]
            objects.append((rng.randint(1, CLASSES), box))
            crowd = int(rng.random() < 0.03)
            truth.append(dict(id=len(truth) + 1, image_id=image, category_id=objects[-1][0], bbox=box, area=w * h * 0.8, iscrowd=crowd))
        for i in range(DETECTIONS):
            if i < 2 * OBJECTS:
                category, (x, y, w, h) = objects[i % OBJECTS]
                box = [x + rng.gauss(0, 0.08 * w), y + rng.gauss(0, 0.08 * h), w * rng.uniform(0.8, 1.2), h * rng.uniform(0.8, 1.2)]
                score = rng.uniform(0.3, 1)
            else:
                w, h = rng.uniform(5, 200), rng.uniform(5, 200)
                category, box, score = rng.randint(1, CLASSES), [rng.uniform(0, 440), rng.uniform(0, 280), w, h], rng.random() ** 3
            found.append(dict(image_id=image, category_id=category, bbox=box, score=round(score, 3)))
    pictures = [dict(id=i, width=640, height=480, file_name=f"{i}.jpg") for i in range(1, images + 1)]
    categories = [dict(id=i, name=f"class {i}") for i in range(1, CLASSES + 1)]
    return dict(info={}, images=pictures, annotations=truth, categories=categories), found


def main(images, folder):
    folder = pathlib.Path(folder)
    truth, found = made(int(images), random.Random(5))
    (folder / "gt.json").write_text(json.dumps(truth))
    (folder / "dt.json").write_text(json.dumps(found))
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO(str(folder / "gt.json"))
        evaluation = COCOeval(gt, gt.loadRes(str(folder / "dt.json")), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    seconds = time.perf_counter() - started
    precision = evaluation.eval["precision"][:, :, :, 0, 2]
    names = {c["id"]: c["name"] for c in truth["categories"]}
    ap = {names[c]: float(np.mean(precision[:, :, k])) for k, c in enumerate(evaluation.params.catIds)}
    out = dict(stats=[float(s) for s in evaluation.stats], per_class=ap, seconds=seconds)
    (folder / "pycocotools.json").write_text(json.dumps(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
