function headSections(_head, _several) {
  return [];
}
