// Runs decode.hpp on folders of cases, as cases.mjs runs decode.js: see test_decoders.py.
//
// A case holds model.json; for prepare() photo.npy (H, W, 3 or 4); for decode() outputs/<name>.npy and where.npy, the
// photo's height and width, its place and the row. What is found, or error.txt, is written to got/.

#include "decode.hpp"

#include <cstring>
#include <iostream>

namespace mv = mobilevision;

struct Array {
  std::string kind, bytes;
  std::vector<std::int64_t> dims;

  template <class Number>
  const Number* as() const {
    return reinterpret_cast<const Number*>(bytes.data());
  }
  mv::Tensor tensor() const {
    if (kind == "|u1") return {as<std::uint8_t>(), dims};
    if (kind == "<i4") return {as<std::int32_t>(), dims};
    if (kind == "<i8") return {as<std::int64_t>(), dims};
    if (kind == "<f4") return {as<float>(), dims};
    throw std::runtime_error("an array of " + kind);
  }
};

static std::optional<Array> read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file.is_open()) return std::nullopt;
  const std::string all{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const std::size_t length = static_cast<unsigned char>(all.at(8)) + 256U * static_cast<unsigned char>(all.at(9));
  const std::string header = all.substr(10, length);
  const auto after = [&](const std::string& key, char end) {
    const auto begin = header.find(key) + key.size();
    return header.substr(begin, header.find(end, begin) - begin);
  };
  Array array{after("'descr': '", '\''), all.substr(10 + length), {}};
  std::istringstream sides(after("'shape': (", ')'));
  for (std::string side; std::getline(sides, side, ',');) {
    if (side.find_first_of("0123456789") != std::string::npos) array.dims.push_back(std::stoll(side));
  }
  return array;
}

template <class Number>
static void write(const std::string& path, const char* kind, const std::vector<Number>& values) {
  std::string header = std::string("{'descr': '") + kind + "', 'fortran_order': False, 'shape': (" +
                       std::to_string(values.size()) + ",), }";
  header.resize((header.size() + 10) / 64 * 64 + 53, ' ');
  std::ofstream file(path, std::ios::binary);
  file << "\x93NUMPY" << '\1' << '\0' << static_cast<char>(header.size() + 1) << '\0' << header << '\n';
  const auto bytes = static_cast<std::streamsize>(values.size() * sizeof(Number));
  file.write(reinterpret_cast<const char*>(values.data()), bytes);
}

static void run(const std::string& folder) {
  const std::string got = folder + "/got/";
  const mv::Model model = mv::read_model(folder + "/model.json");
  if (const auto photo = read(folder + "/photo.npy")) {
    const auto side = [&](std::size_t k) { return static_cast<int>(photo->dims.at(k)); };
    const auto input = mv::prepare({photo->as<std::uint8_t>(), side(0), side(1), side(2)}, model);
    write(got + "input.npy", "|u1", input.bytes);
    write(got + "dims.npy", "<i8", std::vector<std::int64_t>(input.dims.begin(), input.dims.end()));
    const auto [x, y, width, height] = input.place;
    write(got + "place.npy", "<i4", std::vector<std::int32_t>{x, y, width, height});
  }
  const auto where = read(folder + "/where.npy");
  if (!where) return;
  const auto at = [&](int k) { return where->as<std::int32_t>()[k]; };
  std::map<std::string, Array> arrays;
  mv::Tensors outputs;
  for (const auto& [task, entry] : model.tasks) {
    for (const auto& [role, name] : entry.outputs) {
      auto array = read(folder + "/outputs/" + name + ".npy");
      if (!array) continue;
      outputs.emplace(name, arrays.emplace(name, std::move(*array)).first->second.tensor());
    }
  }
  const auto found = mv::decode(outputs, model, {at(0), at(1)}, {at(2), at(3), at(4), at(5)}, at(6));
  for (const auto& [task, own] : found) {
    const std::string begin = got + task + ".";
    const auto& outputs_of = model.tasks.at(task).outputs;
    if (outputs_of.count("boxes") || outputs_of.count("offsets")) {
      write(begin + "boxes.npy", "<f4", own.boxes);
      write(begin + "scores.npy", "<f4", own.scores);
      write(begin + "labels.npy", "<i4", own.labels);
    } else if (own.values.empty()) {
      write(begin + "labels.npy", "|u1", own.map);
    }
    for (const auto& [role, values] : own.values) write(begin + role + ".npy", "<f4", values);
    const auto shares = mv::probabilities(task, model.tasks.at(task), own);
    if (!shares.empty()) write(begin + "shares.npy", "<f8", shares);
  }
}

int main(int count, char** arguments) {
  for (int k = 1; k < count; k++) {
    const std::string folder = arguments[k];
    try {
      run(folder);
    } catch (const mv::Error& error) {
      std::ofstream(folder + "/got/error.txt") << error.what();
    }
  }
  return 0;
}
