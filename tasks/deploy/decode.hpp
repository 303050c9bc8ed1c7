// From a photo to an exported file's input, and from its outputs to label maps, boxes and classes: decode.py in C++17.
// One header without dependencies; it ships with the file.
//
//   const auto model = mobilevision::read_model("model.json");                 // throws mobilevision::Error, one line
//   const auto input = mobilevision::prepare({pixels, height, width}, model);  // input.bytes of input.dims
//   // the runtime's part: input.bytes in, `values` out
//   const mobilevision::Tensors outputs = {{"logits", {values, {1, 21, 65, 65}}}};
//   const auto found = mobilevision::decode(outputs, model, {height, width}, input.place);
//   found.at("segment").map;                                                   // a class for each pixel of the photo
//
// Photos are bytes RGB or RGBA, row by row, turned upright by the caller if model.input.upright. Boxes are xyxy.

#ifndef MOBILEVISION_DECODE_HPP
#define MOBILEVISION_DECODE_HPP

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <locale>
#include <map>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#ifdef __FAST_MATH__
#error "decode.hpp: compile without -ffast-math, which changes results"
#endif
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=off")  // fused multiplications and additions round otherwise than decode.py
#endif

namespace mobilevision {

// What is wrong with model.json, a photo or outputs, in one line.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Size {
  int height = 0, width = 0;
};

// Where the photo lies in the network's input.
struct Place {
  int x = 0, y = 0, width = 0, height = 0;
};

// Pixels of 3 bytes RGB or 4 bytes RGBA, row by row.
struct Photo {
  const std::uint8_t* data = nullptr;
  int height = 0, width = 0, channels = 3;
};

// The network's input: bytes of these sides, (1, 3, height, width) or (1, height, width, 3).
struct Input {
  std::vector<std::uint8_t> bytes;
  std::array<std::int64_t, 4> dims{};
  Place place;
};

// An output of the network: numbers that stay the caller's, and their sides, the first of which is the batch.
class Tensor {
 public:
  Tensor(const float* data, std::vector<std::int64_t> sides) : dims(std::move(sides)), floats_(data) {}
  Tensor(const std::uint8_t* data, std::vector<std::int64_t> sides) : dims(std::move(sides)), bytes_(data) {}
  Tensor(const std::int32_t* data, std::vector<std::int64_t> sides) : dims(std::move(sides)), ints_(data) {}
  Tensor(const std::int64_t* data, std::vector<std::int64_t> sides) : dims(std::move(sides)), longs_(data) {}

  // The same for one image of the batch.
  Tensor of(int row) const {
    if (dims.empty() || row < 0 || row >= dims[0]) throw Error("an output has no row " + std::to_string(row));
    Tensor own = *this;
    own.dims.erase(own.dims.begin());
    const std::size_t skipped = static_cast<std::size_t>(row) * own.count();
    own.floats_ = floats_ ? floats_ + skipped : nullptr;
    own.bytes_ = bytes_ ? bytes_ + skipped : nullptr;
    own.ints_ = ints_ ? ints_ + skipped : nullptr;
    own.longs_ = longs_ ? longs_ + skipped : nullptr;
    return own;
  }
  std::size_t count() const {
    std::size_t product = 1;
    for (const auto side : dims) product *= static_cast<std::size_t>(side);
    return product;
  }
  double number(std::size_t k) const {
    if (floats_) return static_cast<double>(floats_[k]);
    return static_cast<double>(whole(k));
  }
  std::int64_t whole(std::size_t k) const {
    return bytes_ ? bytes_[k] : ints_ ? ints_[k] : longs_ ? longs_[k] : static_cast<std::int64_t>(floats_[k]);
  }
  const float* floats(const std::string& name) const {
    if (!floats_ && count()) throw Error("the output " + name + " is not of 32-bit floats");
    return floats_;
  }

  std::vector<std::int64_t> dims;

 private:
  const float* floats_ = nullptr;
  const std::uint8_t* bytes_ = nullptr;
  const std::int32_t* ints_ = nullptr;
  const std::int64_t* longs_ = nullptr;
};

using Tensors = std::map<std::string, Tensor>;

// The result of a task: boxes, or a label map, or what the network says of the whole image, by role.
struct Found {
  std::vector<float> boxes;  // x1, y1, x2, y2 of each, in the photo's pixels, best first
  std::vector<float> scores;
  std::vector<int> labels;        // indices of the model's classes
  std::vector<std::uint8_t> map;  // a class for each pixel of the photo
  std::map<std::string, std::vector<float>> values;
};

// --- model.json.

struct Resize {
  std::string rule;  // none, stretch, letterbox, resize_centre_crop
  int height = 0, width = 0, fill = 0, pillow = 0;
  std::vector<int> lengths;  // of resize_centre_crop: none, the shorter side, or height and width
  std::optional<int> crop;
  std::string interpolation;  // of Pillow's; empty for torch's antialiased bilinear
};

struct Takes {
  std::string name = "image", layout = "NCHW";
  int height = 0, width = 0;  // 0: any
  bool upright = false;
  Resize resize;
};

struct Select {
  double threshold = 0, overlap = 0;
  int per_class = 0, detections = 0;
};

struct Task {
  std::map<std::string, std::string> outputs;  // names by role
  std::vector<std::string> classes;
  std::optional<double> threshold;
  double temperature = 1;
  Select select;
  std::string score;
  std::vector<int> holes;
  std::array<double, 4> weights{};
  double largest = 0;
  std::vector<std::array<int, 2>> cells;                       // rows and columns of each map
  std::vector<std::vector<std::array<double, 2>>> shapes;      // width and height of each anchor of each map's cell
};

struct Model {
  std::string file, outputs, precision;
  Takes input;
  std::map<std::string, Task> tasks;
};

namespace detail {

constexpr int LONGEST = 1 << 14;  // pixels of a side that model.json may ask for
constexpr double LARGEST = 25e6;  // pixels of the input of a file that takes any size
constexpr int UNSURE = 255;       // of a label map: no class is reliably the largest
constexpr int DEEPEST = 64;       // tables and lists within each other

// A value of a JSON text, with the part of the text that it was read from.
struct Json {
  enum class Kind { none, null, boolean, number, text, list, table };
  Kind kind = Kind::none;
  bool truth = false;
  double number = 0;
  std::string text;
  std::vector<std::string> names;  // of a table
  std::vector<Json> items;         // of a list or a table
  std::string_view source;

  // A table's entry; nothing if there is none. Of entries of the same name the last counts.
  const Json& operator[](const std::string& name) const {
    static const Json nothing;
    for (std::size_t k = kind == Kind::table ? items.size() : 0; k-- > 0;) {
      if (names[k] == name) return items[k];
    }
    return nothing;
  }
  bool is(Kind wanted) const { return kind == wanted; }
  bool absent() const { return kind == Kind::none || kind == Kind::null; }
  // As it was written, in one line and not more than 60 characters.
  std::string told() const {
    std::string line;
    for (const char letter : source.substr(0, 60)) {
      const bool blank = static_cast<unsigned char>(letter) <= ' ';
      if (!blank) line += letter;
      else if (!line.empty() && line.back() != ' ') line += ' ';
    }
    return kind == Kind::none ? "(nothing)" : source.size() > 60 ? line + "…" : line;
  }
};

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Json whole() {
    if (text_.substr(0, 3) == "\xEF\xBB\xBF") at_ = 3;
    Json value = read(0);
    blanks();
    if (at_ < text_.size()) fail("something follows its end");
    return value;
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw Error("model.json is no JSON: " + why + " (byte " + std::to_string(at_) + ")");
  }
  void blanks() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) at_++;
  }
  bool skip(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  Json read(int depth) {
    if (depth > DEEPEST) fail("it is too deep");
    blanks();
    const std::size_t begin = at_;
    Json value;
    if (skip("{")) several(value, Json::Kind::table, "}", depth);
    else if (skip("[")) several(value, Json::Kind::list, "]", depth);
    else if (skip("\"")) value.kind = Json::Kind::text, value.text = string();
    else if (skip("null")) value.kind = Json::Kind::null;
    else if (skip("true")) value.kind = Json::Kind::boolean, value.truth = true;
    else if (skip("false")) value.kind = Json::Kind::boolean;
    else value.kind = Json::Kind::number, value.number = number();
    value.source = text_.substr(begin, at_ - begin);
    return value;
  }

  void several(Json& value, Json::Kind kind, std::string_view end, int depth) {
    value.kind = kind;
    blanks();
    if (skip(end)) return;
    do {
      if (kind == Json::Kind::table) {
        blanks();
        if (!skip("\"")) fail("a name is missing");
        value.names.push_back(string());
        blanks();
        if (!skip(":")) fail("a colon is missing");
      }
      value.items.push_back(read(depth + 1));
      blanks();
    } while (skip(","));
    if (!skip(end)) fail("it is cut off, or a comma is missing");
  }

  double number() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && std::string_view("+-.0123456789eE").find(text_[at_]) != std::string_view::npos) at_++;
    const std::string word(text_.substr(begin, at_ - begin));
    const auto first = word.find_first_not_of('-');
    std::istringstream stream(word);
    stream.imbue(std::locale::classic());  // a comma is no decimal point, whatever the user's language
    double value = 0;
    const bool begins = first <= 1 && word[first] >= '0' && word[first] <= '9';
    if (!begins || !(stream >> value) || !stream.eof() || !std::isfinite(value)) {
      at_ = begin;
      fail(at_ < text_.size() ? "no value begins here" : "it is cut off");
    }
    return value;
  }

  std::string string() {
    std::string made;
    while (at_ < text_.size() && text_[at_] != '"') {
      const char letter = text_[at_++];
      if (static_cast<unsigned char>(letter) < ' ') fail("a string does not end in its line");
      if (letter != '\\') {
        made += letter;
        continue;
      }
      const char escaped = at_ < text_.size() ? text_[at_++] : ' ';
      const auto plain = std::string_view("\"\\/bfnrt").find(escaped);
      if (escaped == 'u') unicode(made);
      else if (plain != std::string_view::npos) made += "\"\\/\b\f\n\r\t"[plain];
      else fail("an unknown escape");
    }
    if (!skip("\"")) fail("it is cut off");
    return made;
  }

  void unicode(std::string& made) {
    std::uint32_t code = four();
    if (code >= 0xD800 && code < 0xDC00 && skip("\\u")) {
      const std::uint32_t low = four();
      if (low < 0xDC00 || low >= 0xE000) fail("half a letter");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    if (code >= 0xD800 && code < 0xE000) fail("half a letter");
    const auto put = [&made](std::uint32_t byte) { made += static_cast<char>(static_cast<unsigned char>(byte)); };
    if (code < 0x80) return put(code);
    if (code >= 0x10000) put(0xF0 | (code >> 18)), put(0x80 | ((code >> 12) & 0x3F));
    else if (code >= 0x800) put(0xE0 | (code >> 12));
    if (code >= 0x800) put(0x80 | ((code >> 6) & 0x3F));
    else put(0xC0 | (code >> 6));
    put(0x80 | (code & 0x3F));
  }
  std::uint32_t four() {
    std::uint32_t code = 0;
    for (int k = 0; k < 4; k++, at_++) {
      const char letter = at_ < text_.size() ? text_[at_] : ' ';
      const auto digit = std::string_view("0123456789abcdef0123456789ABCDEF").find(letter);
      if (digit == std::string_view::npos) fail("an escape of four digits is cut off");
      code = code * 16 + static_cast<std::uint32_t>(digit % 16);
    }
    return code;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

[[noreturn]] inline void wrong(const std::string& what) { throw Error("model.json: " + what); }

inline const Json& table(const Json& value, const std::string& where) {
  if (!value.is(Json::Kind::table)) wrong(where + " is no table of names and values");
  return value;
}
inline std::string text(const Json& value, const std::string& where) {
  if (!value.is(Json::Kind::text)) wrong(where + " " + value.told() + " is no text");
  return value.text;
}
inline std::string one_of(const Json& value, const std::string& where, std::initializer_list<const char*> choices) {
  std::string all;
  for (const char* choice : choices) {
    if (value.is(Json::Kind::text) && value.text == choice) return choice;
    all += (all.empty() ? "" : ", ") + std::string(choice);
  }
  wrong(where + " " + value.told() + " is not one of " + all);
}
inline int whole(const Json& value, const std::string& where, int least, int most = LONGEST) {
  if (!value.is(Json::Kind::number) || !(value.number >= least && value.number <= most) ||
      value.number != std::floor(value.number)) {
    wrong(where + " " + value.told() + " is not a whole number from " + std::to_string(least) + " to " +
          std::to_string(most));
  }
  return static_cast<int>(value.number);
}
inline double number(const Json& value, const std::string& where, double least, double most, const char* what) {
  if (!value.is(Json::Kind::number) || !(value.number >= least && value.number <= most)) {
    wrong(where + " " + value.told() + " is not " + what);
  }
  return value.number;
}
inline double share(const Json& value, const std::string& where) {
  return number(value, where, 0, 1, "a number from 0 to 1");
}
inline double positive(const Json& value, const std::string& where, double most = 1e9) {
  return number(value, where, 1e-30, most, most < 1e9 ? "a number between 0 and 80" : "a number above 0");
}
inline const std::vector<Json>& list(const Json& value, const std::string& where, std::size_t least,
                                     std::size_t most = std::numeric_limits<std::size_t>::max()) {
  if (!value.is(Json::Kind::list) || value.items.size() < least || value.items.size() > most) {
    const std::string count = least == most ? std::to_string(least) : "the right number";
    wrong(where + " " + value.told() + " is no list of " + count + " of entries");
  }
  return value.items;
}
inline std::string entry(const std::string& where, std::size_t k) { return where + "[" + std::to_string(k) + "]"; }

inline Resize resize_of(const Json& value) {
  const std::string where = "input.resize";
  Resize resize;
  if (!value.is(Json::Kind::table)) wrong(where + " has no rule");
  resize.rule = one_of(value["rule"], where + ".rule", {"none", "stretch", "letterbox", "resize_centre_crop"});
  if (!value["interpolation"].absent()) {
    resize.interpolation =
        one_of(value["interpolation"], where + ".interpolation", {"nearest", "bilinear", "bicubic", "lanczos"});
  }
  if (!value["pillow"].absent()) resize.pillow = whole(value["pillow"], where + ".pillow", 0);
  if (!value["fill"].absent()) resize.fill = whole(value["fill"], where + ".fill", 0, 255);
  if (resize.rule == "stretch" || resize.rule == "letterbox") {
    resize.height = whole(value["height"], where + ".height", 1);
    resize.width = whole(value["width"], where + ".width", 1);
  }
  if (resize.rule != "resize_centre_crop") return resize;
  for (const Json& length : list(value["lengths"], where + ".lengths", 0, 2)) {
    resize.lengths.push_back(whole(length, where + ".lengths", 1));
  }
  if (!value["crop"].absent()) resize.crop = whole(value["crop"], where + ".crop", 1);
  if (!resize.crop && resize.lengths.size() < 2) {
    wrong(where + ".crop is null, and lengths do not say height and width");
  }
  return resize;
}

inline Takes takes_of(const Json& value) {
  Takes takes;
  table(value, "input");
  if (!value["name"].absent()) takes.name = text(value["name"], "input.name");
  if (!value["layout"].absent()) takes.layout = one_of(value["layout"], "input.layout", {"NCHW", "NHWC"});
  if (value["height"].absent() != value["width"].absent()) {
    wrong("input.height and input.width must both be numbers, or both null");
  }
  if (!value["height"].absent()) {
    takes.height = whole(value["height"], "input.height", 1);
    takes.width = whole(value["width"], "input.width", 1);
  }
  const Json& upright = value["upright"];
  if (!upright.is(Json::Kind::boolean)) wrong("input.upright " + upright.told() + " is not true or false");
  takes.upright = upright.truth;
  takes.resize = resize_of(value["resize"]);
  return takes;
}

// The roles of a task's outputs; empty for tasks that this header does not know, whose outputs it hands on.
inline std::vector<std::string> roles_of(const std::string& task, const std::string& form) {
  const bool raw = form == "raw";
  if (task == "segment") return {raw ? "logits" : "labels"};
  if (task == "classify" || task == "multilabel") return {raw ? "logits" : "probabilities"};
  if (task != "detect") return {};
  if (raw) return {"logits", "offsets"};
  if (form == "decoded") return {"boxes", "scores"};
  return {"boxes", "scores", "labels"};
}

inline void boxes_rules(Task& task, const Json& value, const std::string& where, const std::string& form) {
  const Json& select = table(value["select"], where + ".select");
  task.select.threshold = share(select["threshold"], where + ".select.threshold");
  task.select.overlap = share(select["overlap"], where + ".select.overlap");
  task.select.per_class = whole(select["per_class"], where + ".select.per_class", 1, 100000);
  task.select.detections = whole(select["detections"], where + ".select.detections", 1, 100000);
  if (form != "raw") return;
  task.score = one_of(value["score"], where + ".score", {"softmax", "sigmoid"});
  for (const Json& hole : list(value["holes"], where + ".holes", 0)) {
    task.holes.push_back(whole(hole, where + ".holes", 0, static_cast<int>(task.classes.size()) - 1));
  }
  const auto& weights = list(value["weights"], where + ".weights", 4, 4);
  for (std::size_t k = 0; k < 4; k++) task.weights[k] = positive(weights[k], entry(where + ".weights", k));
  task.largest = positive(value["largest"], where + ".largest", 80);
  const Json& anchors = table(value["anchors"], where + ".anchors");
  for (const Json& cell : list(anchors["cells"], where + ".anchors.cells", 1)) {
    const auto& sides = list(cell, where + ".anchors.cells", 2, 2);
    task.cells.push_back({whole(sides[0], where + ".anchors.cells", 1), whole(sides[1], where + ".anchors.cells", 1)});
  }
  for (const Json& map : list(anchors["shapes"], where + ".anchors.shapes", task.cells.size(), task.cells.size())) {
    task.shapes.emplace_back();
    for (const Json& shape : list(map, where + ".anchors.shapes", 1)) {
      const auto& sides = list(shape, where + ".anchors.shapes", 2, 2);
      const auto side = [&](std::size_t k) { return positive(sides[k], where + ".anchors.shapes"); };
      task.shapes.back().push_back({side(0), side(1)});
    }
  }
}

inline Task task_of(const std::string& name, const Json& value, const std::string& form) {
  const std::string where = "tasks." + name;
  Task task;
  table(value, where);
  const Json& outputs = table(value["outputs"], where + ".outputs");
  for (std::size_t k = 0; k < outputs.items.size(); k++) {
    task.outputs[outputs.names[k]] = text(outputs.items[k], where + ".outputs." + outputs.names[k]);
  }
  const auto roles = roles_of(name, form);
  const auto given = [&](const std::string& role) { return task.outputs.count(role) > 0; };
  if (!std::all_of(roles.begin(), roles.end(), given) || (!roles.empty() && task.outputs.size() != roles.size())) {
    std::string all;
    for (const auto& role : roles) all += (all.empty() ? "" : ", ") + role;
    wrong(where + ".outputs are not " + all + ", as " + form + " outputs are");
  }
  const auto& classes = list(value["classes"], where + ".classes", 1);
  for (std::size_t k = 0; k < classes.size(); k++) {
    const Json& each = classes[k];
    task.classes.push_back(text(each.is(Json::Kind::table) ? each["name"] : each, entry(where + ".classes", k)));
  }
  if (!value["threshold"].absent()) task.threshold = share(value["threshold"], where + ".threshold");
  if (!value["temperature"].absent()) task.temperature = positive(value["temperature"], where + ".temperature");
  if (name == "detect" && form != "final") boxes_rules(task, value, where, form);
  return task;
}

}  // namespace detail

// The description of a file, checked. Throws an Error for what is wrong with it.
inline Model parse_model(std::string_view json) {
  const detail::Json value = detail::Parser(json).whole();
  Model model;
  detail::table(value, "it");
  model.file = detail::text(value["file"], "file");
  model.outputs = detail::one_of(value["outputs"], "outputs", {"raw", "decoded", "final"});
  model.precision = detail::one_of(value["precision"], "precision", {"fp32", "fp16", "bf16", "int8"});
  model.input = detail::takes_of(value["input"]);
  const detail::Json& tasks = detail::table(value["tasks"], "tasks");
  if (tasks.items.empty()) detail::wrong("tasks is no table of tasks");
  for (std::size_t k = 0; k < tasks.items.size(); k++) {
    model.tasks[tasks.names[k]] = detail::task_of(tasks.names[k], tasks.items[k], model.outputs);
  }
  return model;
}

// The same of a file. Throws an Error also if it cannot be read.
inline Model read_model(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string json{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file.is_open() || file.bad()) throw Error(path + ": it cannot be read");
  return parse_model(json);
}

// --- Resizing.

namespace detail {

// Products are rounded before anything is added to them, with any compiler.
inline float times(float a, float b) {
  const float product = a * b;
  return product;
}
inline double times(double a, double b) {
  const double product = a * b;
  return product;
}

struct Image {
  Image() = default;
  Image(Image&&) = default;
  Image& operator=(Image&&) = default;

  std::vector<std::uint8_t> own;
  const std::uint8_t* data = nullptr;  // into own, or the caller's
  int height = 0, width = 0, step = 3;
};

inline std::size_t cells(int height, int width, int step) {
  return static_cast<std::size_t>(height) * static_cast<std::size_t>(width) * static_cast<std::size_t>(step);
}
inline Image blank(int height, int width, int step) {
  Image image;
  image.own.resize(cells(height, width, step));
  image.data = image.own.data();
  image.height = height, image.width = width, image.step = step;
  return image;
}

// Python's round(): to the even one of two equally near numbers.
inline int rounded(double value) {
  const double floor = std::floor(value), rest = value - floor;
  const bool up = rest > 0.5 || (!(rest < 0.5) && std::fmod(floor, 2) != 0);
  return static_cast<int>(floor) + (up ? 1 : 0);
}
inline int halved(int value) { return value >= 0 ? value / 2 : -((1 - value) / 2); }  // rounded down

// The input's size for a photo of this size, and the photo's place in it.
inline std::pair<Size, Place> fitted(const Resize& rule, Size size) {
  const auto [height, width] = size;
  if (rule.rule == "none") return {size, {0, 0, width, height}};
  if (rule.rule == "stretch") return {{rule.height, rule.width}, {0, 0, rule.width, rule.height}};
  if (rule.rule == "letterbox") {
    const double scale = std::min(static_cast<double>(rule.height) / height, static_cast<double>(rule.width) / width);
    const int down = std::max(1, rounded(height * scale)), across = std::max(1, rounded(width * scale));
    return {{rule.height, rule.width}, {halved(rule.width - across), halved(rule.height - down), across, down}};
  }
  int down = height, across = width;
  if (rule.lengths.size() == 2) down = rule.lengths[0], across = rule.lengths[1];
  if (rule.lengths.size() == 1) {  // of the shorter side
    const double longest = static_cast<double>(rule.lengths[0]) * std::max(height, width);
    const double longer = std::floor(longest / std::min(height, width));
    if (longer > 1e8) throw Error("it is too narrow to be resized");
    down = width <= height ? static_cast<int>(longer) : rule.lengths[0];
    across = width <= height ? rule.lengths[0] : static_cast<int>(longer);
  }
  if (!rule.crop) return {{down, across}, {0, 0, across, down}};
  const int crop = *rule.crop;
  const auto begin = [crop](int side) { return side < crop ? (crop - side) / 2 : -rounded((side - crop) / 2.0); };
  return {{crop, crop}, {begin(across), begin(down), across, down}};
}

inline double sinc(double x) {
  constexpr double pi = 3.14159265358979323846;
  return x == 0 ? 1 : std::sin(pi * x) / (pi * x);
}
inline double kernel(const std::string& interpolation, double x) {
  if (interpolation == "lanczos") return x >= -3 && x < 3 ? times(sinc(x), sinc(x / 3)) : 0;
  x = std::fabs(x);
  if (interpolation != "bicubic") return std::max(1 - x, 0.0);
  if (x < 1) return times(times(times(1.5, x) - 2.5, x), x) + 1;
  return x < 2 ? times(times(times(x - 5, x) + 8, x) - 4, -0.5) : 0;
}
inline double reach_of(const std::string& interpolation) {
  return interpolation == "lanczos" ? 3 : interpolation == "bicubic" ? 2 : 1;
}

// Of each new pixel the first old one, how many count, and their weights as binary fractions, `most` apart.
struct Taps {
  std::vector<int> starts, counts;
  std::vector<std::int32_t> weights;
  std::size_t most = 0;
  int bits = 22;  // Pillow's
};

inline Taps taps_of(int old, int count, const std::string& interpolation) {
  const double scale = static_cast<double>(old) / count, wide = std::max(scale, 1.0), share = 1 / wide;
  const double reach = times(reach_of(interpolation), wide);
  Taps taps;
  taps.starts.resize(static_cast<std::size_t>(count));
  taps.counts.resize(static_cast<std::size_t>(count));
  taps.most = static_cast<std::size_t>(std::min<double>(old, std::ceil(2 * reach) + 2));
  std::vector<double> weights(static_cast<std::size_t>(count) * taps.most);
  double largest = 0;
  for (int place = 0; place < count; place++) {
    const double centre = times(place + 0.5, scale);
    const int start = std::max(static_cast<int>(centre - reach + 0.5), 0);
    const int end = static_cast<int>(std::min<double>(std::trunc(centre + reach + 0.5), old));
    double* own = weights.data() + static_cast<std::size_t>(place) * taps.most;
    double sum = 0;
    for (int k = 0; k < end - start; k++) sum += own[k] = kernel(interpolation, times(start + k - centre + 0.5, share));
    for (int k = 0; k < end - start; k++) largest = std::max(largest, own[k] /= sum);
    taps.starts[static_cast<std::size_t>(place)] = start;
    taps.counts[static_cast<std::size_t>(place)] = end - start;
  }
  if (interpolation.empty()) {  // torch's fractions fit into 16-bit integers
    taps.bits = 0;
    while (taps.bits < 22 && std::trunc(0.5 + std::ldexp(largest, taps.bits + 1)) < 32768) taps.bits++;
  }
  taps.weights.reserve(weights.size());
  for (const double weight : weights) {
    taps.weights.push_back(static_cast<std::int32_t>(std::ldexp(weight, taps.bits) + (weight < 0 ? -0.5 : 0.5)));
  }
  return taps;
}

inline std::uint8_t byte_of(std::int64_t sum, int bits) {
  const std::int64_t half = std::int64_t{1} << (bits - 1);
  return static_cast<std::uint8_t>(std::min<std::int64_t>(std::max<std::int64_t>(sum + half, 0) >> bits, 255));
}

inline Image widened(const Image& image, int width, const std::string& interpolation) {
  const Taps taps = taps_of(image.width, width, interpolation);
  Image made = blank(image.height, width, 3);
  std::uint8_t* to = made.own.data();
  for (int row = 0; row < image.height; row++) {
    const std::uint8_t* line = image.data + cells(row, image.width, image.step);
    const std::int32_t* weights = taps.weights.data();
    for (std::size_t place = 0; place < taps.starts.size(); place++, weights += taps.most, to += 3) {
      std::int64_t red = 0, green = 0, blue = 0;
      const std::uint8_t* from = line + cells(1, taps.starts[place], image.step);
      for (int k = 0; k < taps.counts[place]; k++, from += image.step) {
        const std::int64_t weight = weights[k];
        red += weight * from[0], green += weight * from[1], blue += weight * from[2];
      }
      to[0] = byte_of(red, taps.bits), to[1] = byte_of(green, taps.bits), to[2] = byte_of(blue, taps.bits);
    }
  }
  return made;
}

inline Image heightened(const Image& image, int height, const std::string& interpolation) {
  const Taps taps = taps_of(image.height, height, interpolation);
  const std::size_t line = cells(1, image.width, image.step);
  Image made = blank(height, image.width, image.step);
  std::vector<std::int64_t> sums(line);
  for (std::size_t row = 0; row < taps.starts.size(); row++) {
    std::fill(sums.begin(), sums.end(), 0);
    std::int64_t* sum = sums.data();
    for (int k = 0; k < taps.counts[row]; k++) {
      const std::int64_t weight = taps.weights[row * taps.most + static_cast<std::size_t>(k)];
      const std::uint8_t* from = image.data + cells(taps.starts[row] + k, image.width, image.step);
      for (std::size_t x = 0; x < line; x++) sum[x] += weight * from[x];
    }
    std::uint8_t* to = made.own.data() + row * line;
    for (std::size_t x = 0; x < line; x++) to[x] = byte_of(sum[x], taps.bits);
  }
  return made;
}

// The old pixel for each new one; Pillow adds up the steps one by one, with their rounding.
inline std::vector<int> by_steps(int old, int count) {
  const double step = static_cast<double>(old) / count;
  std::vector<int> found;
  double at = step / 2;
  for (int place = 0; place < count; place++, at += step) found.push_back(std::min(static_cast<int>(at), old - 1));
  return found;
}

inline Image picked(const Image& image, Size size) {
  Image made = blank(size.height, size.width, 3);
  std::uint8_t* to = made.own.data();
  const auto columns = by_steps(image.width, size.width);
  for (const int row : by_steps(image.height, size.height)) {
    for (const int column : columns) {
      const std::uint8_t* from = image.data + cells(row, image.width, image.step) + cells(1, column, image.step);
      to = std::copy(from, from + 3, to);
    }
  }
  return made;
}

// An image in another size, one axis after the other, rounded to bytes in between.
inline Image resized(Image image, Size size, const std::string& interpolation, int pillow) {
  if (interpolation == "nearest") return picked(image, size);
  const int lost = image.height - size.height, lost_across = image.width - size.width;
  const bool down_first = pillow >= 13 && lost > std::max(0, 2 * lost_across);
  for (const bool across : {!down_first, down_first}) {
    if (across && lost_across != 0) image = widened(image, size.width, interpolation);
    if (!across && lost != 0) image = heightened(image, size.height, interpolation);
  }
  return image;
}

}  // namespace detail

// The file's input, byte for byte as when the network was scored. Throws an Error for a photo that it does not take.
inline Input prepare(const Photo& photo, const Model& model) {
  if (!photo.data || photo.height < 1 || photo.width < 1) throw Error("the photo is empty");
  if (photo.channels != 3 && photo.channels != 4) {
    throw Error("it has " + std::to_string(photo.channels) + " channels; a photo has 3, RGB, or 4, RGBA");
  }
  const Takes& takes = model.input;
  const Resize& rule = takes.resize;
  detail::Image seen;
  seen.data = photo.data, seen.height = photo.height, seen.width = photo.width, seen.step = photo.channels;
  const double pixels = static_cast<double>(photo.height) * photo.width;
  if (rule.rule == "none" && !takes.height && pixels > detail::LARGEST) {  // as in mode=predict
    const double scale = std::sqrt(detail::LARGEST / pixels);
    const auto side = [scale](int old) { return std::max(32, static_cast<int>(old * scale) / 32 * 32); };
    seen = detail::resized(std::move(seen), {side(photo.height), side(photo.width)}, "", 0);
  }
  const auto [size, place] = detail::fitted(rule, {seen.height, seen.width});
  if (takes.height && (takes.height != size.height || takes.width != size.width)) {
    const auto told = [](int height, int width) { return std::to_string(height) + "×" + std::to_string(width); };
    throw Error("it is " + told(size.height, size.width) + " pixels, and the file takes " +
                told(takes.height, takes.width) + " (height×width)");
  }
  const auto small = detail::resized(std::move(seen), {place.height, place.width}, rule.interpolation, rule.pillow);
  Input input;
  input.place = place;
  input.bytes.assign(detail::cells(size.height, size.width, 3), static_cast<std::uint8_t>(rule.fill));
  const bool last = takes.layout == "NHWC";  // the colours of a pixel are neighbours
  const std::size_t plane = last ? 1 : detail::cells(size.height, size.width, 1), apart = last ? 3 : 1;
  if (last) input.dims = {1, size.height, size.width, 3};
  else input.dims = {1, 3, size.height, size.width};
  const int left = std::max(0, -place.x), right = std::min(place.width, size.width - place.x);
  for (int row = std::max(0, -place.y); row < std::min(place.height, size.height - place.y); row++) {
    const std::uint8_t* line = small.data + detail::cells(row, small.width, small.step);
    const std::uint8_t* from = line + detail::cells(1, left, small.step);
    const std::size_t begin = detail::cells(row + place.y, size.width, 1) + static_cast<std::size_t>(place.x + left);
    std::uint8_t* to = input.bytes.data() + begin * apart;
    for (int k = left; k < right; k++, from += small.step, to += apart) {
      to[0] = from[0], to[plane] = from[1], to[2 * plane] = from[2];
    }
  }
  return input;
}

// --- Label maps.

namespace detail {

// A label map in another size: each new pixel takes the old one that contains its centre.
inline std::vector<std::uint8_t> nearest(const Tensor& labels, Size size) {
  const std::int64_t height = labels.dims[0], width = labels.dims[1];
  std::vector<std::uint8_t> made;
  made.reserve(cells(size.height, size.width, 1));
  for (std::int64_t row = 0; row < size.height; row++) {
    const std::int64_t from = (2 * row + 1) * height / (2 * size.height) * width;
    for (std::int64_t x = 0; x < size.width; x++) {
      const std::int64_t at = from + (2 * x + 1) * width / (2 * size.width);
      made.push_back(static_cast<std::uint8_t>(labels.whole(static_cast<std::size_t>(at))));
    }
  }
  return made;
}

// The two old pixels around each new one, and its distance from the first.
struct Neighbours {
  std::vector<std::size_t> first, second;
  std::vector<float> near;
};

inline Neighbours neighbours_of(std::int64_t old, int count) {
  const float step = static_cast<float>(static_cast<double>(old) / count);
  Neighbours found;
  for (int place = 0; place < count; place++) {
    const float at = std::max(times(static_cast<float>(place) + 0.5F, step) - 0.5F, 0.0F);
    const auto first = std::min(static_cast<std::int64_t>(at), old - 1);
    found.first.push_back(static_cast<std::size_t>(first));
    found.second.push_back(static_cast<std::size_t>(std::min(first + 1, old - 1)));
    found.near.push_back(at - static_cast<float>(first));
  }
  return found;
}

// A row of logits at the new width, class after class, and the class that leads at each place.
struct Stretched {
  std::optional<std::size_t> row;
  std::vector<float> values;
  std::vector<std::uint8_t> lead;
};

inline Stretched stretched(const float* logits, std::array<std::size_t, 3> sides, std::size_t row,
                           const Neighbours& across, float margin) {
  const auto [classes, height, width] = sides;
  const std::size_t count = across.near.size();
  Stretched made{row, std::vector<float>(classes * count), std::vector<std::uint8_t>(count)};
  std::vector<float> largest(count, -std::numeric_limits<float>::infinity()), next = largest;
  for (std::size_t k = 0; k < classes; k++) {
    const float* from = logits + (k * height + row) * width;
    float* to = made.values.data() + k * count;
    for (std::size_t x = 0; x < count; x++) {
      const float near = across.near[x];
      const float value = times(from[across.first[x]], 1 - near) + times(from[across.second[x]], near);
      to[x] = value;
      if (value > largest[x]) next[x] = largest[x], largest[x] = value, made.lead[x] = static_cast<std::uint8_t>(k);
      else if (value > next[x]) next[x] = value;
    }
  }
  for (std::size_t x = 0; x < count; x++) {
    if (next[x] >= largest[x] - margin) made.lead[x] = UNSURE;
  }
  return made;
}

// The largest class of logits (classes, height, width), interpolated to another size. A class that leads by a margin in
// two neighbouring rows of logits leads in all rows between them: only elsewhere are values computed.
inline std::vector<std::uint8_t> upsampled(const Tensor& tensor, Size size) {
  const float* logits = tensor.floats("of logits");
  const auto side = [&](std::size_t k) { return static_cast<std::size_t>(tensor.dims[k]); };
  const std::array<std::size_t, 3> sides{side(0), side(1), side(2)};
  const Neighbours down = neighbours_of(tensor.dims[1], size.height);
  const Neighbours across = neighbours_of(tensor.dims[2], size.width);
  double most = 0;
  for (std::size_t k = 0; k < tensor.count(); k++) most = std::max(most, std::fabs(static_cast<double>(logits[k])));
  const float margin = static_cast<float>(1e-6 * most + 1e-43);  // well above any rounding
  const std::size_t width = across.near.size();
  std::vector<std::uint8_t> made(down.near.size() * width);
  Stretched above, below;
  for (std::size_t row = 0; row < down.near.size(); row++) {
    const std::size_t one = down.first[row], other = down.second[row];
    if (above.row != one && below.row == one) std::swap(above, below);
    if (above.row != one) above = stretched(logits, sides, one, across, margin);
    if (one != other && below.row != other) below = stretched(logits, sides, other, across, margin);
    const Stretched& second = one == other ? above : below;
    const float near = down.near[row];
    for (std::size_t x = 0; x < width; x++) {
      std::uint8_t& lead = made[row * width + x];
      lead = above.lead[x];
      if (lead == second.lead[x] && lead != UNSURE) continue;
      float largest = -std::numeric_limits<float>::infinity();
      lead = 0;
      for (std::size_t k = 0; k < sides[0]; k++) {
        const float value = times(above.values[k * width + x], 1 - near) + times(second.values[k * width + x], near);
        if (value > largest) largest = value, lead = static_cast<std::uint8_t>(k);
      }
    }
  }
  return made;
}

// --- Boxes.

struct Boxes {
  std::vector<float> boxes, scores;
  std::vector<int> labels;
};

// Scores of the classes for each anchor; the logits' first class is the background.
inline std::vector<float> scores_of(const Tensor& tensor, const Task& task) {
  const float* logits = tensor.floats("of logits");
  const std::size_t count = static_cast<std::size_t>(tensor.dims[1]), classes = count - 1;
  const double threshold = task.select.threshold;
  const double least = std::log(threshold / (1 - threshold)) - 0.001;  // a logit surely below the threshold
  std::vector<float> scores(static_cast<std::size_t>(tensor.dims[0]) * classes);
  float* to = scores.data();
  for (const float* end = logits + tensor.count(); logits < end; logits += count, to += classes) {
    if (task.score == "sigmoid") {
      for (std::size_t k = 0; k < classes; k++) {
        const double logit = static_cast<double>(logits[k + 1]);
        if (logit > least) to[k] = static_cast<float>(1 / (1 + std::exp(-logit)));
      }
    } else {
      const double largest = static_cast<double>(*std::max_element(logits, logits + count));
      double sum = 0;
      for (std::size_t k = 0; k < count; k++) sum += std::exp(static_cast<double>(logits[k]) - largest);
      for (std::size_t k = 0; k < classes; k++) {
        to[k] = static_cast<float>(std::exp(static_cast<double>(logits[k + 1]) - largest) / sum);
      }
    }
    for (const int hole : task.holes) to[hole] = 0;
  }
  return scores;
}

// Offsets to anchors as boxes inside an input of this size (SSD, section 2.2).
inline std::vector<float> boxes_of(const Tensor& tensor, const Task& task, Size size) {
  const float* offsets = tensor.floats("of offsets");
  std::size_t anchors = 0;
  for (std::size_t map = 0; map < task.cells.size(); map++) {
    anchors += cells(task.cells[map][0], task.cells[map][1], static_cast<int>(task.shapes[map].size()));
  }
  if (tensor.dims.size() != 2 || tensor.dims[1] != 4 || static_cast<std::size_t>(tensor.dims[0]) != anchors) {
    const auto given = std::to_string(tensor.count() / 4);
    wrong("tasks.detect.anchors are " + std::to_string(anchors) + ", and the file gives " + given);
  }
  std::vector<float> boxes(4 * anchors);
  const float shorter = static_cast<float>(std::min(size.height, size.width));
  const std::array<float, 2> whole{static_cast<float>(size.width), static_cast<float>(size.height)};
  std::size_t at = 0;
  const auto along = [&](std::size_t side, int cell, int count, double shape) {
    const float centre = (static_cast<float>(cell) + 0.5F) / static_cast<float>(count);
    const float half = 0.5F * times(static_cast<float>(shape), shorter / whole[side]);
    const float begin = times(centre - half, whole[side]), end = times(centre + half, whole[side]);
    const float wide = end - begin;
    const float moves = offsets[at + side] / static_cast<float>(task.weights[side]);
    const float middle = times(moves, wide) + (begin + 0.5F * wide);
    const float grows = offsets[at + side + 2] / static_cast<float>(task.weights[side + 2]);
    const double growth = std::exp(static_cast<double>(std::min(grows, static_cast<float>(task.largest))));
    const float reach = 0.5F * times(static_cast<float>(growth), wide);
    boxes[at + side] = std::min(std::max(middle - reach, 0.0F), whole[side]);
    boxes[at + side + 2] = std::min(std::max(middle + reach, 0.0F), whole[side]);
  };
  for (std::size_t map = 0; map < task.cells.size(); map++) {
    const auto [rows, columns] = task.cells[map];
    for (int row = 0; row < rows; row++) {
      for (int column = 0; column < columns; column++) {
        for (const auto& shape : task.shapes[map]) {
          along(0, column, columns, shape[0]);
          along(1, row, rows, shape[1]);
          at += 4;
        }
      }
    }
  }
  return boxes;
}

// The share that two boxes have in common (intersection over union).
inline float overlap(const float* one, const float* other) {
  const auto side = [](const float* box, int k) { return static_cast<double>(box[k]); };
  const double width = std::min(side(one, 2), side(other, 2)) - std::max(side(one, 0), side(other, 0));
  const double height = std::min(side(one, 3), side(other, 3)) - std::max(side(one, 1), side(other, 1));
  if (width <= 0 || height <= 0) return 0;
  const auto area = [&](const float* box) { return times(side(box, 2) - side(box, 0), side(box, 3) - side(box, 1)); };
  const double shared = times(width, height);
  return static_cast<float>(shared / (area(one) + area(other) - shared));
}

// Of candidates, best first, those that no better one of their class overlaps too much.
inline std::vector<std::size_t> not_overlapped(const std::vector<std::size_t>& best, const float* boxes,
                                               std::size_t classes, const Select& select) {
  std::vector<std::size_t> kept;
  std::vector<int> seen(classes);
  std::vector<std::vector<const float*>> stands(classes);
  for (const std::size_t k : best) {
    const std::size_t label = k % classes;
    const float* box = boxes + k / classes * 4;
    if (++seen[label] > select.per_class) continue;
    const auto covers = [&](const float* other) { return static_cast<double>(overlap(box, other)) > select.overlap; };
    if (std::any_of(stands[label].begin(), stands[label].end(), covers)) continue;
    stands[label].push_back(box);
    kept.push_back(k);
    if (kept.size() == static_cast<std::size_t>(select.detections)) break;
  }
  return kept;
}

// Per class the best boxes that do not overlap better ones. Of equal scores the lower class goes first, then the
// earlier anchor. A box depends only on better ones: a few are looked at first, and more only if too few are kept.
inline Boxes selected(const float* boxes, const float* scores, std::size_t anchors, std::size_t classes,
                      const Select& select) {
  const float threshold = static_cast<float>(select.threshold);
  std::vector<std::size_t> candidates;
  for (std::size_t k = 0; k < anchors * classes; k++) {
    if (scores[k] > threshold) candidates.push_back(k);
  }
  const auto better = [&](std::size_t a, std::size_t b) {
    if (scores[a] != scores[b]) return scores[a] > scores[b];
    return a % classes != b % classes ? a % classes < b % classes : a < b;
  };
  const auto detections = static_cast<std::size_t>(select.detections);
  for (std::size_t few = 2 * detections;; few *= 3) {
    const bool all = few >= candidates.size();
    const auto end = all ? candidates.end() : candidates.begin() + static_cast<std::ptrdiff_t>(few);
    if (!all) std::nth_element(candidates.begin(), end, candidates.end(), better);
    std::vector<std::size_t> best(candidates.begin(), end);
    std::sort(best.begin(), best.end(), better);
    const auto kept = not_overlapped(best, boxes, classes, select);
    if (!all && kept.size() < detections) continue;
    Boxes found;
    for (const std::size_t k : kept) {
      const float* box = boxes + k / classes * 4;
      found.boxes.insert(found.boxes.end(), box, box + 4);
      found.scores.push_back(scores[k]);
      found.labels.push_back(static_cast<int>(k % classes));
    }
    return found;
  }
}

using Own = std::map<std::string, Tensor>;  // a task's outputs for one image, by role

inline const Tensor& part(const Own& own, const std::string& role, std::size_t sides) {
  const auto found = own.find(role);
  if (found == own.end()) wrong("tasks.detect.outputs lack " + role);
  if (found->second.dims.size() != sides) throw Error("the output of " + role + " has another number of sides");
  return found->second;
}

inline Boxes objects(const Own& own, const Task& task, Size size) {
  if (own.count("offsets")) {
    const Tensor &logits = part(own, "logits", 2), &offsets = part(own, "offsets", 2);
    const auto boxes = boxes_of(offsets, task, size);
    if (logits.dims[0] != offsets.dims[0]) throw Error("logits and offsets are of different numbers of anchors");
    const auto scores = scores_of(logits, task);
    const auto anchors = static_cast<std::size_t>(logits.dims[0]);
    return selected(boxes.data(), scores.data(), anchors, static_cast<std::size_t>(logits.dims[1] - 1), task.select);
  }
  const Tensor& boxes = part(own, "boxes", 2);
  const float* corners = boxes.floats("of boxes");
  if (boxes.dims[1] != 4) throw Error("boxes do not have four numbers");
  if (!own.count("labels")) {
    const Tensor& scores = part(own, "scores", 2);
    if (scores.dims[0] != boxes.dims[0]) throw Error("boxes and scores are of different numbers of anchors");
    const auto anchors = static_cast<std::size_t>(scores.dims[0]), classes = static_cast<std::size_t>(scores.dims[1]);
    return selected(corners, scores.floats("of scores"), anchors, classes, task.select);
  }
  const Tensor &scores = part(own, "scores", 1), &labels = part(own, "labels", 1);
  if (scores.dims != labels.dims || scores.dims[0] != boxes.dims[0]) {
    throw Error("boxes, scores and labels are of different numbers");
  }
  Boxes found;
  for (std::size_t k = 0; k < labels.count(); k++) {
    if (labels.number(k) < 0) continue;  // padding
    found.boxes.insert(found.boxes.end(), corners + 4 * k, corners + 4 * k + 4);
    found.scores.push_back(scores.floats("of scores")[k]);
    found.labels.push_back(static_cast<int>(labels.whole(k)));
  }
  return found;
}

// Boxes of the input in the pixels of a photo of this size, clipped to it.
inline void move(std::vector<float>& boxes, Size size, Place place) {
  const std::array<float, 2> whole{static_cast<float>(size.width), static_cast<float>(size.height)};
  const std::array<float, 2> begin{static_cast<float>(place.x), static_cast<float>(place.y)};
  const std::array<float, 2> side{static_cast<float>(place.width), static_cast<float>(place.height)};
  for (std::size_t k = 0; k < boxes.size(); k++) {
    const std::size_t axis = k % 2;
    const float moved = times(boxes[k] - begin[axis], whole[axis] / side[axis]);
    boxes[k] = std::min(std::max(moved, 0.0F), whole[axis]);
  }
}

// How many classes the outputs of a task are for, if they tell.
inline std::optional<std::int64_t> classes_in(const Own& own) {
  using Sides = std::vector<std::int64_t>;
  const auto sides = [&](const char* role) { return own.count(role) ? own.at(role).dims : Sides(); };
  const auto logits = sides("logits"), scores = sides("scores"), shares = sides("probabilities");
  if (own.count("offsets") && logits.size() == 2) return logits[1] - 1;  // the first is the background
  if (own.count("boxes")) return scores.size() == 2 ? std::optional(scores[1]) : std::nullopt;
  if (!logits.empty()) return logits[0];
  return shares.empty() ? std::nullopt : std::optional(shares[0]);
}

}  // namespace detail

// The results of one image by task, in the pixels of its photo of this size; `row` selects the image.
// Throws an Error for outputs that are not as model.json says.
inline std::map<std::string, Found> decode(const Tensors& outputs, const Model& model, Size size, Place place,
                                           int row = 0) {
  if (size.height < 1 || size.width < 1 || place.height < 1 || place.width < 1) throw Error("the photo is empty");
  std::map<std::string, Found> result;
  for (const auto& [name, task] : model.tasks) {
    detail::Own own;
    for (const auto& [role, key] : task.outputs) {
      if (!outputs.count(key)) detail::wrong("the file has no output " + key + ", as tasks." + name + ".outputs says");
      own.emplace(role, outputs.at(key).of(row));
    }
    const auto count = detail::classes_in(own);
    if (count && *count != static_cast<std::int64_t>(task.classes.size())) {
      detail::wrong("tasks." + name + ".classes are " + std::to_string(task.classes.size()) + ", and the file gives " +
                    std::to_string(*count));
    }
    Found& found = result[name];
    const auto sides = [&](const char* role) { return own.count(role) ? own.at(role).dims.size() : 0; };
    if (own.count("boxes") || own.count("offsets")) {
      auto boxes = detail::objects(own, task, detail::fitted(model.input.resize, size).first);
      detail::move(boxes.boxes, size, place);
      found.boxes = std::move(boxes.boxes);
      found.scores = std::move(boxes.scores);
      found.labels = std::move(boxes.labels);
    } else if (sides("logits") == 3) {
      found.map = detail::upsampled(own.at("logits"), size);
    } else if (sides("labels") == 2) {
      found.map = detail::nearest(own.at("labels"), size);
    } else {
      for (const auto& [role, tensor] : own) {
        auto& values = found.values[role];
        for (std::size_t k = 0; k < tensor.count(); k++) values.push_back(static_cast<float>(tensor.number(k)));
      }
    }
  }
  return result;
}

// The probabilities of a whole image's classes, from what decode() found: of classify they sum to 1, of multilabel each
// is by itself; empty for what is neither.
inline std::vector<double> probabilities(const std::string& name, const Task& task, const Found& found) {
  if (const auto given = found.values.find("probabilities"); given != found.values.end()) {
    return {given->second.begin(), given->second.end()};
  }
  const auto logits = found.values.find("logits");
  if (logits == found.values.end() || (name != "classify" && name != "multilabel")) return {};
  std::vector<double> shares(logits->second.begin(), logits->second.end());
  if (name == "multilabel") {
    for (double& share : shares) share = 0.5 * (1 + std::tanh(share / 2));
    return shares;
  }
  const double largest = *std::max_element(shares.begin(), shares.end());
  double sum = 0;
  for (double& share : shares) sum += share = std::exp((share - largest) / task.temperature);
  for (double& share : shares) share /= sum;
  return shares;
}

}  // namespace mobilevision

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif

#endif  // MOBILEVISION_DECODE_HPP
