// A content as it comes in and as it is given back.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json_writer.h"
#include "pipeline/schema.h"
#include "services/content/search/library.h"

namespace tidegate::content {

/// Of the request; checked by read_content().
pipeline::Schema content_schema();
/// The first thing that is wrong with it, or nothing.
std::optional<pipeline::FieldError> read_content(json::Value value, Content& out);
void write_content(JsonWriter& writer, const Content& content);
/// As write_content() makes it.
pipeline::Schema stored_schema();
/// The offset in code points of a place given in bytes.
std::size_t characters_before(std::string_view text, std::uint32_t bytes) noexcept;

}  // namespace tidegate::content
