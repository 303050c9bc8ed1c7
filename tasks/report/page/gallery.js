// What a run's page has of one head: its curves and matrix, its pictures, its training data.

function headSections({ head, curves: found, pictures, augmented, labels }, several) {
  const of = several ? ` of ${head}` : "";
  const id = several ? `-${head}` : "";
  return [
    (found.charts || found.confusion) && section(`predictions${id}`, `Predictions${of}`, thresholdCharts(found), found.confusion && matrix(found.confusion)),
  ];
}
