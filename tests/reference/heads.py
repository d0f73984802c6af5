"""Reference detections of real networks, written from the formats' definitions with numpy and OpenCV.

    heads.py DETECTORS OUT PICTURE...

For each network in DETECTORS that NETWORKS below describes, and each picture: makes the input with OpenCV, runs ONNX
Runtime, decodes and suppresses with numpy. Writes into OUT the pictures (raw RGB), input tensors, raw output tensors,
detections and masks, and index.json that says what is where. Shares no code with the Rust side, on purpose.
"""

import json
import pathlib
import sys

import cv2
import numpy as np
import onnxruntime

SCORE, NMS_IOU, LIMIT = 0.01, 0.45, 100
# Masks are compared for detections of at least this score: they are a picture each.
MASK_SCORE = 0.05

YOLO = dict(resize="centre", order="rgb", mean=(0, 0, 0), std=(255, 255, 255))
STRETCHED = dict(resize="stretch", order="rgb", mean=(0, 0, 0), std=(255, 255, 255))
NANODET = dict(resize="stretch", order="bgr", mean=(103.53, 116.28, 123.675), std=(57.375, 57.12, 58.395))
YOLOX = dict(resize="corner", order="bgr", mean=(0, 0, 0), std=(1, 1, 1))
NETWORKS = {
    "yolox_nano": ("yolox", 416, YOLOX),
    "nanodet_m_320": ("nanodet", 320, NANODET),
    "yolov8n_320_int8": ("yolov8", 320, YOLO),
    "yolo26n_640_int8": ("end-to-end", 640, YOLO),
    "yolov8n-seg_320_int8": ("yolov8-seg", 320, YOLO),
    "v5Lite-e-320-decoded": ("yolov5", 320, YOLO),
    "deimv2_hgnetv2_atto_coco": ("detr-decoded", 320, STRETCHED),
    "deimv2_hgnetv2_atto_coco_rawheads": ("detr", 320, STRETCHED),
    "deimv2_atto_coco_int8": ("detr-decoded", 320, STRETCHED),
    "FastestDet": ("fastestdet", 352, dict(STRETCHED, order="bgr")),
}
SUPPRESSED = {"yolox", "nanodet", "yolov8", "yolov8-seg", "yolov5", "fastestdet"}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def exact_resize(picture, size):
    """Bilinear with half-pixel centres in float64, rounded to whole grey levels only at the end."""
    def axis(source, output):
        at = np.clip((np.arange(output) + 0.5) * source / output - 0.5, 0, source - 1)
        low = np.floor(at).astype(int)
        return low, np.minimum(low + 1, source - 1), at - low

    x0, x1, u = axis(picture.shape[1], size[0])
    y0, y1, v = axis(picture.shape[0], size[1])
    u, v = u[None, :, None], v[:, None, None]
    upper, lower = picture[y0].astype(np.float64), picture[y1].astype(np.float64)
    upper, lower = (row[:, x0] * (1 - u) + row[:, x1] * u for row in (upper, lower))
    return np.floor(upper * (1 - v) + lower * v + 0.5).astype(np.uint8)


def opencv_resize(picture, size):
    return cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)


def make_input(bgr, side, rule, resize=opencv_resize):
    """The input tensor, and (scale x, scale y, pad x, pad y) from source to network pixels."""
    height, width = bgr.shape[:2]
    if rule["resize"] == "stretch":
        new_w = new_h = side
        left = top = 0
    else:
        ratio = min(side / width, side / height)
        new_w, new_h = round(width * ratio), round(height * ratio)
        centred = rule["resize"] == "centre"
        left = round((side - new_w) / 2 - 0.1) if centred else 0
        top = round((side - new_h) / 2 - 0.1) if centred else 0
    small = resize(bgr, (new_w, new_h))
    right, bottom = side - new_w - left, side - new_h - top
    grey = (114, 114, 114)
    padded = cv2.copyMakeBorder(small, top, bottom, left, right, cv2.BORDER_CONSTANT, value=grey)
    if rule["order"] == "rgb":
        padded = padded[:, :, ::-1]
    mean, std = np.array(rule["mean"], np.float64), np.array(rule["std"], np.float64)
    tensor = ((padded - mean) / std).astype(np.float32).transpose(2, 0, 1)[None]
    return np.ascontiguousarray(tensor), (new_w / width, new_h / height, left, top)


def corners(centre_boxes):
    x, y, w, h = np.moveaxis(centre_boxes, -1, 0)
    return np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], -1)


def one_class_each(boxes, class_scores, extra=None):
    """Best class per box, above the threshold: boxes, scores, classes, extra."""
    classes = class_scores.argmax(-1)
    scores = class_scores.max(-1)
    keep = scores >= SCORE
    extra = np.zeros((len(boxes), 0)) if extra is None else extra
    return boxes[keep], scores[keep], classes[keep], extra[keep]


def decode_yolov5(out, side):
    rows = out["output"][0]
    return one_class_each(corners(rows[:, :4]), rows[:, 4:5] * rows[:, 5:])


def decode_yolov8(out, side):
    columns = out["output0"][0].T
    return one_class_each(corners(columns[:, :4]), columns[:, 4:84], columns[:, 84:])


def cells(side, stride):
    steps = np.arange(side // stride)
    y, x = np.meshgrid(steps, steps, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], -1).astype(np.float64)


def decode_yolox(out, side):
    rows = out["output"][0].astype(np.float64)
    grid = np.concatenate([cells(side, s) for s in (8, 16, 32)])
    stride = np.concatenate([np.full((side // s) ** 2, s) for s in (8, 16, 32)])[:, None]
    boxes = np.concatenate([(rows[:, :2] + grid) * stride, np.exp(rows[:, 2:4]) * stride], 1)
    return one_class_each(corners(boxes), rows[:, 4:5] * rows[:, 5:])


def decode_nanodet(out, side):
    boxes, scores = [], []
    for stride in (8, 16, 32):
        bins = out[f"dis_pred_stride_{stride}"][0].astype(np.float64).reshape(-1, 4, 8)
        weights = np.exp(bins - bins.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        distance = (weights * np.arange(8)).sum(-1) * stride
        centre = (cells(side, stride) + 0.5) * stride
        boxes.append(np.concatenate([centre - distance[:, :2], centre + distance[:, 2:]], 1))
        scores.append(out[f"cls_pred_stride_{stride}"][0])
    return one_class_each(np.concatenate(boxes), np.concatenate(scores))


def decode_end_to_end(out, side):
    rows = out["output0"][0]
    rows = rows[rows[:, 4] >= SCORE]
    return rows[:, :4], rows[:, 4], rows[:, 5].astype(int), np.zeros((len(rows), 0))


def decode_detr(out, side):
    scores = sigmoid(out["logits"][0].astype(np.float64))
    boxes = corners(out["pred_boxes"][0].astype(np.float64)) * side
    query, classes = np.nonzero(scores >= SCORE)
    return boxes[query], scores[query, classes], classes, np.zeros((len(query), 0))


def decode_detr_decoded(out, side):
    boxes, labels, scores = out["boxes"].reshape(-1, 4), out["labels"].ravel(), out["scores"].ravel()
    keep = scores >= SCORE
    return boxes[keep], scores[keep], labels[keep], np.zeros((keep.sum(), 0))


def decode_fastestdet(out, side):
    maps = next(iter(out.values()))[0].astype(np.float64)
    channels, rows, columns = maps.shape
    flat = maps.reshape(channels, -1).T
    grid = cells(rows, 1)
    centre = (grid + np.tanh(flat[:, 1:3])) / (columns, rows) * side
    size = sigmoid(flat[:, 3:5]) * side
    scores = flat[:, :1] ** 0.6 * flat[:, 5:] ** 0.4
    return one_class_each(corners(np.concatenate([centre, size], 1)), scores)


DECODERS = {
    "yolov5": decode_yolov5,
    "yolov8": decode_yolov8,
    "yolov8-seg": decode_yolov8,
    "yolox": decode_yolox,
    "nanodet": decode_nanodet,
    "end-to-end": decode_end_to_end,
    "detr": decode_detr,
    "detr-decoded": decode_detr_decoded,
    "fastestdet": decode_fastestdet,
}


def iou(one, many):
    low = np.maximum(one[:2], many[:, :2])
    high = np.minimum(one[2:], many[:, 2:])
    both = np.prod(np.clip(high - low, 0, None), 1)
    area = lambda b: np.prod(np.clip(b[..., 2:] - b[..., :2], 0, None), -1)
    return both / np.maximum(area(one) + area(many) - both, 1e-30)


def suppress(boxes, scores, classes):
    keep = []
    for label in np.unique(classes):
        left = np.nonzero(classes == label)[0]
        left = left[np.argsort(-scores[left], kind="stable")]
        while len(left):
            keep.append(left[0])
            left = left[1:][iou(boxes[left[0]], boxes[left[1:]]) <= NMS_IOU]
    return np.array(keep, int)


def to_source(boxes, geometry, width, height):
    sx, sy, px, py = geometry
    boxes = (boxes - [px, py, px, py]) / [sx, sy, sx, sy]
    return np.clip(boxes, 0, [width, height, width, height])


def mask_of(box, coefficients, protos, geometry, side, width, height):
    """The instance's pixels of the whole source picture, and the box they are cut to."""
    logits = np.tensordot(coefficients.astype(np.float64), protos.astype(np.float64), 1)
    rows, columns = logits.shape
    sx, sy, px, py = geometry
    u = np.clip(((np.arange(width) + 0.5) * sx + px) * columns / side - 0.5, 0, columns - 1)
    v = np.clip(((np.arange(height) + 0.5) * sy + py) * rows / side - 0.5, 0, rows - 1)
    u0, v0 = np.floor(u).astype(int), np.floor(v).astype(int)
    u1, v1 = np.minimum(u0 + 1, columns - 1), np.minimum(v0 + 1, rows - 1)
    fu, fv = (u - u0)[None], (v - v0)[:, None]
    upper = logits[v0][:, u0] * (1 - fu) + logits[v0][:, u1] * fu
    lower = logits[v1][:, u0] * (1 - fu) + logits[v1][:, u1] * fu
    inside = upper * (1 - fv) + lower * fv > 0
    x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
    inside &= ((x >= box[0]) & (x < box[2]))[None] & ((y >= box[1]) & (y < box[3]))[:, None]
    return inside


def detections(family, out, geometry, side, width, height):
    boxes, scores, classes, extra = DECODERS[family](out, side)
    if family in SUPPRESSED:
        keep = suppress(boxes, scores, classes)
        boxes, scores, classes, extra = boxes[keep], scores[keep], classes[keep], extra[keep]
    boxes = to_source(boxes.astype(np.float64), geometry, width, height)
    order = np.argsort(-scores, kind="stable")
    order = [i for i in order if boxes[i, 2] > boxes[i, 0] and boxes[i, 3] > boxes[i, 1]][:LIMIT]
    return boxes[order], scores[order], classes[order], extra[order]


def dims(shape):
    return [d if isinstance(d, int) else None for d in shape]


def declared(tensors):
    return [dict(name=t.name, type=t.type, shape=dims(t.shape)) for t in tensors]


def save(folder, name, array):
    np.ascontiguousarray(array).tofile(folder / name)
    return dict(file=name, shape=list(array.shape), type=str(array.dtype))


def run_network(path, pictures, folder):
    family, side, rule = NETWORKS[path.stem]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    runs = []
    for index, bgr in enumerate(pictures):
        height, width = bgr.shape[:2]
        tensor, geometry = make_input(bgr, side, rule)
        exact, _ = make_input(bgr, side, rule, exact_resize)
        picture_input = next(i.name for i in session.get_inputs() if "size" not in i.name)
        feed = {picture_input: tensor}
        wants_size = any("size" in i.name for i in session.get_inputs())
        sized = lambda w, h: dict(feed, orig_target_sizes=np.array([[w, h]], np.int64)) if wants_size else feed
        raw = dict(zip(names, session.run(None, sized(side, side))))
        # The reference lets a network with its post-processor inside scale to the source picture itself.
        told = dict(zip(names, session.run(None, sized(width, height)))) if wants_size else raw
        told_geometry = (1, 1, 0, 0) if wants_size else geometry
        boxes, scores, classes, extra = detections(family, told, told_geometry, side, width, height)
        stem = f"{path.stem}_{index}"
        masks = None
        if family == "yolov8-seg":
            protos = raw["output1"][0]
            made = [mask_of(b, c, protos, geometry, side, width, height) 
                    for b, s, c in zip(boxes, scores, extra) if s >= MASK_SCORE]
            masks = save(folder, f"{stem}.masks", np.array(made, np.uint8).reshape(-1, height, width))
        runs.append(dict(
            picture=index,
            input=save(folder, f"{stem}.in", tensor),
            exact_input=save(folder, f"{stem}.exact", exact),
            outputs=[dict(save(folder, f"{stem}.out{i}", raw[n]), name=n) for i, n in enumerate(names)],
            detections=[[*map(float, b), float(s), int(c)] for b, s, c in zip(boxes, scores, classes)],
            masks=masks,
        ))
    metadata = session.get_modelmeta().custom_metadata_map
    return dict(name=path.stem, family=family, inputs=declared(session.get_inputs()),
                outputs=declared(session.get_outputs()), metadata=metadata, runs=runs)


def main():
    detectors, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    pictures = [cv2.imread(p, cv2.IMREAD_COLOR) for p in sys.argv[3:]]
    saved = [save(folder, f"picture_{i}.rgb", p[:, :, ::-1]) for i, p in enumerate(pictures)]
    paths = [p for p in sorted(detectors.glob("*.onnx")) if p.stem in NETWORKS]
    networks = [run_network(p, pictures, folder) for p in paths]
    index = dict(score=SCORE, nms_iou=NMS_IOU, limit=LIMIT, pictures=saved, networks=networks)
    (folder / "index.json").write_text(json.dumps(index))


if __name__ == "__main__":
    main()
