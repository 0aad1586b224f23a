#include "cli/table.h"

#include <algorithm>

#include "base/check.h"
#include "base/text.h"

namespace mesh::cli {
namespace {

// What awk takes for one field.
std::string one_word(const std::string& cell) {
  if (cell.empty()) return "-";
  std::string word = cell;
  for (char& c : word)
    if (uint8_t(c) <= 0x20) c = '_';
  return word;
}

// Columns of a terminal: UTF-8 continuation bytes take none.
size_t width_of(std::string_view text) {
  return size_t(
      std::count_if(text.begin(), text.end(), [](char c) { return (uint8_t(c) & 0xc0) != 0x80; }));
}

bool is_number(const std::string& cell) {
  if (cell.empty() || cell.find_first_not_of("0123456789.-") != std::string::npos) return false;
  char* end = nullptr;
  strtod(cell.c_str(), &end);
  return *end == '\0' && cell.back() != '.' && cell.front() != '.' &&
         !(cell.size() > 1 && cell[0] == '0' && cell[1] != '.');
}

std::string key_of(std::string_view title) {
  std::string key = text::to_lower(title);
  std::replace(key.begin(), key.end(), '-', '_');
  return key;
}

}  // namespace

void Table::add(std::vector<std::string> cells, std::string name, std::string json) {
  MESH_CHECK(cells.size() == columns_.size());
  if (name.empty()) name = cells.front();
  rows_.push_back({std::move(cells), std::move(name), std::move(json)});
}

std::string Table::aligned(bool wide, size_t width_max) const {
  std::vector<size_t> shown;
  for (size_t i = 0; i < columns_.size(); ++i)
    if (wide || !columns_[i].wide) shown.push_back(i);

  std::vector<std::vector<std::string>> lines(1);
  for (const size_t i : shown) lines[0].emplace_back(columns_[i].title);
  for (const Row& row : rows_) {
    auto& line = lines.emplace_back();
    for (const size_t i : shown) {
      const bool last = i == shown.back() && !row.cells[i].empty();
      line.push_back(last ? row.cells[i] : one_word(row.cells[i]));
    }
  }
  std::vector<size_t> widths(shown.size());
  for (const auto& line : lines)
    for (size_t c = 0; c < line.size(); ++c) widths[c] = std::max(widths[c], width_of(line[c]));

  std::string out;
  for (const auto& line : lines) {
    std::string text;
    for (size_t c = 0; c < line.size(); ++c) {
      const std::string pad(widths[c] - width_of(line[c]), ' ');
      if (columns_[shown[c]].number)
        text += pad + line[c];
      else
        text += line[c] + (c + 1 < line.size() ? pad : "");
      if (c + 1 < line.size()) text += "  ";
    }
    if (width_max > 0 && width_of(text) > width_max) {
      while (width_of(text) > width_max - 3 && !text.empty()) text.pop_back();
      text += "...";
    }
    out += text + "\n";
  }
  return out;
}

std::string Table::json_of(const Row& row) const {
  if (!row.json.empty()) return row.json;
  std::string out = "{";
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (i > 0) out += ",";
    out += json_string(key_of(columns_[i].title)) + ":";
    const std::string& cell = row.cells[i];
    if (!columns_[i].number)
      out += json_string(cell);
    else
      out += is_number(cell) ? cell : "null";
  }
  return out + "}";
}

std::string Table::format(Format format, size_t width_max) const {
  std::string out;
  switch (format) {
    case Format::Table: return aligned(false, width_max);
    case Format::Wide: return aligned(true, 0);
    case Format::Json:
      for (const Row& row : rows_) out += json_of(row) + "\n";
      return out;
    case Format::Yaml:
      for (const Row& row : rows_) {
        auto yaml = json_to_yaml(json_of(row));
        MESH_CHECK(yaml);  // we or our caller made this JSON
        out += "---\n" + *yaml;
      }
      return out;
    case Format::Name:
      for (const Row& row : rows_) out += row.name + "\n";
      return out;
  }
  return out;
}

void Table::print(Format form) const { cli::print(stdout, format(form, width_for(stdout))); }

}  // namespace mesh::cli
