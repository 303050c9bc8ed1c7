// Boxes, classes and label maps of a photo, in C++ with OpenVINO: predict <folder of the export> <photo.ppm>
// The photo is a binary PPM of 8 bits, upright. docs/deploy/decoders.md has the command that compiles this.

#include "decode.hpp"

#include <iostream>
#include <openvino/openvino.hpp>

namespace mv = mobilevision;

static mv::Tensor as_tensor(const ov::Tensor& output) {
  const std::vector<std::int64_t> dims(output.get_shape().begin(), output.get_shape().end());
  if (output.get_element_type() == ov::element::u8) return {output.data<std::uint8_t>(), dims};
  if (output.get_element_type() == ov::element::i32) return {output.data<std::int32_t>(), dims};
  if (output.get_element_type() == ov::element::i64) return {output.data<std::int64_t>(), dims};
  return {output.data<float>(), dims};
}

int main(int count, char** arguments) try {
  if (count != 3) throw mv::Error("predict <folder of the export> <photo.ppm>");
  const std::string folder = std::string(arguments[1]) + "/";
  const mv::Model model = mv::read_model(folder + "model.json");

  std::ifstream file(arguments[2], std::ios::binary);
  std::string kind;
  int width = 0, height = 0, white = 0;
  file >> kind >> width >> height >> white;
  file.get();
  const std::vector<char> pixels{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const bool described = kind == "P6" && width > 0 && height > 0 && white == 255;
  if (!described || pixels.size() != std::size_t(3) * std::size_t(width) * std::size_t(height)) {
    throw mv::Error(std::string(arguments[2]) + " is no PPM of 8 bits");
  }

  auto input = mv::prepare({reinterpret_cast<const std::uint8_t*>(pixels.data()), height, width}, model);
  ov::Core core;
  auto compiled = core.compile_model(folder + model.file, "CPU", ov::hint::inference_precision(ov::element::f32));
  auto request = compiled.create_infer_request();
  const ov::Shape shape(input.dims.begin(), input.dims.end());
  request.set_input_tensor(ov::Tensor(ov::element::u8, shape, input.bytes.data()));
  request.infer();
  mv::Tensors outputs;
  for (const auto& output : compiled.outputs()) {
    outputs.emplace(output.get_any_name(), as_tensor(request.get_tensor(output)));
  }

  for (const auto& [name, found] : mv::decode(outputs, model, {height, width}, input.place)) {
    const mv::Task& task = model.tasks.at(name);
    for (std::size_t k = 0; k < found.scores.size() && found.scores[k] >= task.threshold.value_or(0.5); k++) {
      std::cout << name << " " << task.classes[std::size_t(found.labels[k])] << " " << found.scores[k];
      for (std::size_t side = 0; side < 4; side++) std::cout << " " << found.boxes[4 * k + side];
      std::cout << "\n";
    }
    if (!found.map.empty()) std::cout << name << " " << task.classes[found.map[0]] << " in the first pixel\n";
    const auto shares = mv::probabilities(name, task, found);
    for (std::size_t k = 0; k < shares.size(); k++) {
      std::cout << name << " " << task.classes[k] << " " << shares[k] << "\n";
    }
  }
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << "\n";
  return 2;
}
