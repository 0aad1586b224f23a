// Table: rows of one kind of thing, printed in any of the output forms.
//
// Aligned with at least two blanks between columns. No cell but the last holds
// a blank and none is empty ("-"), so `awk '{print $3}'` is sound.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/output.h"

namespace mesh::cli {

struct Column {
  std::string_view title;  // "SERVICE", one word; the JSON key is "service"
  bool wide = false;       // shown with -o wide only (and always in json, yaml)
  bool number = false;     // aligned to the right; a number in json
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // One cell a column. `name` is what -o name prints; the first cell where it
  // is empty. `json`, a JSON object, replaces what json and yaml make of the
  // cells.
  void add(std::vector<std::string> cells, std::string name = {}, std::string json = {});

  size_t size() const { return rows_.size(); }

  // Cells beyond `width_max` columns are cut in the last one; 0: never.
  std::string format(Format format, size_t width_max = 0) const;

  // To stdout; cut to the width of 80 on a terminal only, never in a pipe.
  void print(Format format) const;

 private:
  struct Row {
    std::vector<std::string> cells;
    std::string name;
    std::string json;
  };
  std::string aligned(bool wide, size_t width_max) const;
  std::string json_of(const Row& row) const;

  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

}  // namespace mesh::cli
