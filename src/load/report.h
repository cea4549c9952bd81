// The report of a run: a table for the terminal, and a page to read and print: one file, no script, no address of another.
#pragma once

#include <string>

#include "load/result.h"

namespace tidegate::load {

/// For the terminal.
std::string render_text(const RunResult& result);
/// Light and dark; charts as inline SVG, each with its numbers in a table or a title.
std::string render_html(const RunResult& result);

}  // namespace tidegate::load
