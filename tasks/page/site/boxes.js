// Boxes from anchors, offsets and scores, selected as decode.py does it. Boxes are xyxy, four numbers each.

const f = Math.fround;  // the nearest 32-bit number: decode.py computes in them

// {boxes, scores, labels} of one image in an input of this [height, width], best first.
export function objects(own, task, size) {
  if (own.labels) {
    const kept = [...own.labels.data.keys()].filter((k) => Number(own.labels.data[k]) >= 0);
    return {
      boxes: Float32Array.from(kept.flatMap((k) => [...own.boxes.data.subarray(4 * k, 4 * k + 4)])),
      scores: Float32Array.from(kept, (k) => own.scores.data[k]),
      labels: Int32Array.from(kept, (k) => Number(own.labels.data[k])),
    };
  }
  if (!own.logits) return selected(own.boxes.data, own.scores.data, own.scores.dims[1], task.select);
  const scores = probabilities(own.logits.data, own.logits.dims[1], task);
  return selected(boxesOf(own.offsets.data, task, size), scores, own.logits.dims[1] - 1, task.select);
}

// Scores of the classes for each anchor; the logits' first class is the background.
function probabilities(logits, count, task) {
  const classes = count - 1;
  const { threshold } = task.select;
  const least = Math.log(threshold / (1 - threshold)) - 0.001;  // a logit surely below the threshold
  const scores = new Float32Array((logits.length / count) * classes);
  for (let from = 0, to = 0; from < logits.length; from += count, to += classes) {
    let [largest, sum] = [-Infinity, 1];
    if (task.score !== "sigmoid") {
      for (let k = 0; k < count; k++) largest = Math.max(largest, logits[from + k]);
      sum = 0;
      for (let k = 0; k < count; k++) sum += Math.exp(logits[from + k] - largest);
    }
    for (let k = 0; k < classes; k++) {
      const logit = logits[from + 1 + k];
      if (task.score !== "sigmoid") scores[to + k] = Math.exp(logit - largest) / sum;
      else if (logit > least) scores[to + k] = 1 / (1 + Math.exp(-logit));  // any other is below the threshold: 0
    }
    for (const hole of task.holes) scores[to + hole] = 0;
  }
  return scores;
}

// Offsets to anchors as boxes inside an input of this [height, width] (SSD, section 2.2).
function boxesOf(offsets, task, [height, width]) {
  const [scaleX, scaleY] = [width, height].map((side) => f(f(Math.min(height, width)) / side));
  const weights = task.weights.map(f);
  const boxes = new Float32Array(offsets.length);
  let at = 0;
  task.anchors.cells.forEach(([rows, columns], level) => {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        for (const [wide, high] of task.anchors.shapes[level]) {
          along(at, f((column + 0.5) / columns), f(0.5 * f(f(wide) * scaleX)), width);
          along(at + 1, f((row + 0.5) / rows), f(0.5 * f(f(high) * scaleY)), height);
          at += 4;
        }
      }
    }
  });
  return boxes;

  function along(place, centre, half, whole) {  // one side; place: of its smaller end
    const [begin, end] = [f(f(centre - half) * whole), f(f(centre + half) * whole)];
    const side = f(end - begin);
    const middle = f(f(f(offsets[place] / weights[place % 4]) * side) + f(begin + f(0.5 * side)));
    const growth = f(Math.exp(Math.min(f(offsets[place + 2] / weights[(place % 4) + 2]), f(task.largest))));
    const reach = f(0.5 * f(growth * side));
    boxes[place] = Math.min(Math.max(f(middle - reach), 0), whole);
    boxes[place + 2] = Math.min(Math.max(f(middle + reach), 0), whole);
  }
}

// Per class the best boxes that do not overlap better ones. Of equal scores the lower class goes first, then the
// earlier anchor. A box depends only on better ones: a few are looked at first, and more only if too few are kept.
function selected(boxes, scores, classes, select) {
  const threshold = f(select.threshold);
  const candidates = [];
  for (let k = 0; k < scores.length; k++) if (scores[k] > threshold) candidates.push(k);
  const values = Float32Array.from(candidates, (k) => scores[k]).sort();
  for (let few = 2 * select.detections; ; few *= 3) {
    const least = few < values.length ? values[values.length - few] : 0;
    const best = candidates.filter((k) => scores[k] >= least);
    best.sort((a, b) => scores[b] - scores[a] || (a % classes) - (b % classes) || a - b);
    const kept = notOverlapped(best, boxes, classes, select);
    if (best.length === candidates.length || kept.length === select.detections) {
      return {
        boxes: Float32Array.from(kept.flatMap((k) => corners(boxes, Math.floor(k / classes)))),
        scores: Float32Array.from(kept, (k) => scores[k]),
        labels: Int32Array.from(kept, (k) => k % classes),
      };
    }
  }
}

const corners = (boxes, anchor) => [...boxes.subarray(4 * anchor, 4 * anchor + 4)];

function notOverlapped(best, boxes, classes, select) {
  const kept = [];
  const [seen, stands] = [new Int32Array(classes), Array.from({ length: classes }, () => [])];
  for (const k of best) {
    const label = k % classes;
    if (++seen[label] > select.per_class) continue;
    const box = corners(boxes, Math.floor(k / classes));
    if (stands[label].some((other) => f(overlap(box, other)) > select.overlap)) continue;
    stands[label].push(box);
    if (kept.push(k) === select.detections) break;
  }
  return kept;
}

// The share that two boxes have in common (intersection over union).
export function overlap(one, other) {
  const width = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
  const height = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
  if (width <= 0 || height <= 0) return 0;
  const area = (box) => (box[2] - box[0]) * (box[3] - box[1]);
  return (width * height) / (area(one) + area(other) - width * height);
}

// Boxes of the input in the pixels of a photo of this [height, width], clipped to it.
export function moved(boxes, [height, width], [x, y, across, down]) {
  return boxes.map((value, k) => {
    const [whole, begin, side] = k % 2 ? [height, y, down] : [width, x, across];
    return Math.min(Math.max(f(f(value - begin) * f(whole / side)), 0), whole);
  });
}
