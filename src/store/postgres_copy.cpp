#include <bit>

#include "base/assert.h"
#include "base/utf8.h"
#include "store/postgres.h"
#include "store/postgres_bytes.h"

namespace tidegate::store {
namespace {

// PostgreSQL's manual, "COPY", "Binary Format": signature, flags, length of the header's extension.
constexpr std::string_view kHeader{"PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19};

}  // namespace

void PostgresCopyRows::clear() {
    data_.assign(kHeader);
    rows_ = 0;
}

void PostgresCopyRows::begin(std::uint16_t columns) {
    append_network(data_, columns);
    ++rows_;
}

void PostgresCopyRows::length(std::int32_t bytes) {
    append_network(data_, bytes);
}

void PostgresCopyRows::add_int(std::int64_t value) {
    length(8);
    append_network(data_, value);
}

void PostgresCopyRows::add_small(std::int16_t value) {
    length(2);
    append_network(data_, value);
}

void PostgresCopyRows::add_double(double value) {
    length(8);
    append_network(data_, std::bit_cast<std::uint64_t>(value));
}

void PostgresCopyRows::add_null() {
    length(-1);
}

void PostgresCopyRows::add_bytes(std::string_view bytes) {
    length(static_cast<std::int32_t>(bytes.size()));
    data_.append(bytes);
}

void PostgresCopyRows::add_text(std::string_view bytes) {
    if (utf8::is_valid(bytes) && !bytes.contains('\0')) return add_bytes(bytes);
    std::string text;
    for (std::size_t at = 0; at < bytes.size();) {
        const char32_t point = utf8::next(bytes, at);
        utf8::append(text, point == 0 ? utf8::kReplacement : point);
    }
    add_bytes(text);
}

std::string_view PostgresCopyRows::finish() {
    append_network(data_, static_cast<std::int16_t>(-1));
    return data_;
}

}  // namespace tidegate::store
