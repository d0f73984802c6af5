"""Values of the losses that students learn by, computed with numpy from the papers' formulas, straightforwardly.

Usage: losses.py > tests/data/losses/vectors.json. Needs numpy only. Nothing of the Rust code is used.
"""

import json

import numpy as np

rng = np.random.default_rng(20260401)


def softmax(z, t=1.0, axis=-1):
    z = np.asarray(z) / t
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def kl(p, q, axis=-1):
    return (p * (np.log(p) - np.log(q))).sum(axis=axis)


def sigmoid(z):
    return 1 / (1 + np.exp(-np.asarray(z)))


cases = []


def case(name, value, **inputs):
    fields = {k: np.asarray(v).ravel().tolist() if isinstance(v, (np.ndarray, list)) else v for k, v in inputs.items()}
    cases.append({"loss": name, "value": float(value), **fields})


for scale in (1.0, 5.0, 50.0):
    s, t = scale * rng.standard_normal(7), scale * rng.standard_normal(7)
    if scale < 50:
        case("kd", 4.0**2 * kl(softmax(t, 4.0), softmax(s, 4.0)), student=s, teacher=t, t=4.0)
    y = sigmoid(t / 2.0)
    z = s / 2.0
    bce = np.logaddexp(0, z) - z * y
    case("kd_sigmoid", 2.0**2 * bce.sum(), student=s, teacher=t, t=2.0)
    mean = rng.uniform(0.01, 0.9, 7)
    case("sigmoid_gap", (0.5 * mean * (1 - mean) * (t - s) ** 2).sum(), student=s, teacher=t, mean=mean)

# DKL's pairwise form, all C x C pairs written out.
for batch, classes in ((1, 4), (5, 10)):
    s, t = 3 * rng.standard_normal((batch, classes)), 3 * rng.standard_normal((batch, classes))
    w = softmax(2 * rng.standard_normal((batch, classes))) ** 0.6
    num = den = 0.0
    for b in range(batch):
        for i in range(classes):
            for j in range(classes):
                num += w[b, i] * w[b, j] * ((t[b, i] - t[b, j]) - (s[b, i] - s[b, j])) ** 2
                den += w[b, i] * w[b, j]
    case("weighted_gap", 0.25 * num / den, student=s, teacher=t, weights=w, classes=classes)
    sce = -(softmax(t, 2.0) * np.log(softmax(s, 2.0))).sum(axis=1).mean()
    case("gkl", 1.5 * 0.25 * num / den + 0.7 * sce, student=s, teacher=t, weights=w, classes=classes, alpha=0.7, beta=1.5, t=2.0)

for y in (0, 3, 6):
    s, t = 2 * rng.standard_normal(7), 2 * rng.standard_normal(7)
    p, q = softmax(t, 3.0), softmax(s, 3.0)
    b_t, b_s = np.array([p[y], 1 - p[y]]), np.array([q[y], 1 - q[y]])
    rest = [k for k in range(7) if k != y]
    n_t, n_s = p[rest] / (1 - p[y]), q[rest] / (1 - q[y])
    case("dkd", 3.0**2 * (1.0 * kl(b_t, b_s) + 8.0 * kl(n_t, n_s)), student=s, teacher=t, y=y, alpha=1.0, beta=8.0, t=3.0)

for scale in (1.0, 10.0):
    s, t = scale * rng.standard_normal(9), scale * rng.standard_normal(9)
    tau = lambda z: np.clip((z - z.mean()).max() / 3.0, 0.5, 20.0)
    case("cist", tau(t) * tau(s) * kl(softmax(t - t.mean(), tau(t)), softmax(s - s.mean(), tau(s))), student=s, teacher=t, kappa=3.0)

s, t = 4 * rng.standard_normal((6, 4, 8)), 4 * rng.standard_normal((6, 4, 8))
case("sides", 10.0**2 * kl(softmax(t, 10.0), softmax(s, 10.0)).mean(), student=s, teacher=t, bins=8, t=10.0)

for target in (0.0, 0.3, 1.0):
    for z in (-2.0, 0.5):
        p = sigmoid(z)
        case("quality_focal", abs(p - target) ** 2 * (np.logaddexp(0, z) - z * target), student=[z], target=target, focus=2.0)

N, C, H, W = 2, 3, 4, 5
S, T = rng.standard_normal((N, C, H, W)), rng.standard_normal((N, C, H, W))
s, t = S[0], T[0]
case("plain", ((s - t) ** 2).mean(), student=s, teacher=t)
cos = (s * t).sum(0) / (np.linalg.norm(s, axis=0) * np.linalg.norm(t, axis=0))
case("cosine", (2 * (1 - cos)).mean(), student=s, teacher=t, plane=H * W)
mask = rng.uniform(0, 1, (H, W))
case("masked", (mask * (s - t) ** 2).sum() / mask.sum(), student=s, teacher=t, mask=mask)
case("generated", ((S - T) ** 2).sum() / N, student=S, teacher=T, pictures=N)
p, q = softmax(t.reshape(C, -1), 4.0), softmax(s.reshape(C, -1), 4.0)
case("channelwise", 4.0**2 / C * kl(p, q).sum(), student=s, teacher=t, plane=H * W, tau=4.0)
r = [np.corrcoef(S[:, c].ravel(), T[:, c].ravel())[0, 1] for c in range(C)]
case("pearson", (1 - np.array(r)).mean(), student=S, teacher=T, pictures=N, channels=C, plane=H * W)

# FGD on a map that is not square: rows are y, columns are x.
boxes = [(1, 0, 2, 3), (2, 2, 4, 3)]
fg = np.zeros((H, W))
for x0, y0, x1, y1 in boxes:
    area = (y1 - y0 + 1) * (x1 - x0 + 1)
    fg[y0 : y1 + 1, x0 : x1 + 1] = np.maximum(fg[y0 : y1 + 1, x0 : x1 + 1], 1 / area)
bg = (fg == 0) / (fg == 0).sum()
att_s = lambda f: H * W * softmax(np.abs(f).mean(0).ravel(), 0.5).reshape(H, W)
att_c = lambda f: C * softmax(np.abs(f).mean((1, 2)), 0.5)
d2 = (s - t) ** 2
att = att_s(t)[None] * att_c(t)[:, None, None]
value = 1.0 * (fg * att * d2).sum() + 0.5 * (bg * att * d2).sum()
value += 0.1 * (np.abs(att_c(s) - att_c(t)).sum() + np.abs(att_s(s) - att_s(t)).sum())
case("focal", value, student=s, teacher=t, boxes=[v for b in boxes for v in b], plane=H * W, columns=W)
case("focal_masks", fg.sum() + 10 * bg.sum() + (fg * np.arange(H * W).reshape(H, W)).sum(), boxes=[v for b in boxes for v in b], plane=H * W, columns=W)

H, W = 9, 13
d, g = rng.uniform(0.1, 1, (H, W)), rng.uniform(0.1, 1, (H, W))
A = np.stack([d.ravel(), np.ones(H * W)], 1)
(scale, shift), *_ = np.linalg.lstsq(A, g.ravel(), rcond=None)
case("scale_and_shift", ((scale * d + shift - g) ** 2).sum() / (2 * H * W), student=d, teacher=g)
R = d - g
total = 0.0
for k in range(4):
    r = R[:: 2**k, :: 2**k]
    total += (np.abs(np.diff(r, axis=1)).sum() + np.abs(np.diff(r, axis=0)).sum()) / r.size
case("gradients", total, student=R, columns=W)
masks = [[0, 1, 2, 14, 15], [40, 41, 53, 54], [100, 101, 102]]
lower = lambda v, m: np.sort(v.ravel()[m])[(len(m) - 1) // 2]
case("instances", np.mean([abs(np.log(lower(d, m)) - np.log(lower(g, m))) for m in masks]), student=d, teacher=g, masks=[i for m in masks for i in m], sizes=[len(m) for m in masks])
e = np.log(d) - np.log(g)
case("silog", np.sqrt((e**2).mean() - 0.5 * e.mean() ** 2 + 1e-4), student=np.log(d), teacher=np.log(g), columns=W)

print(json.dumps({"made_by": "tests/reference/losses.py", "cases": cases}, indent=1))
