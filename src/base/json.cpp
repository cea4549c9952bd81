#include "base/json.h"

#include <simdjson.h>

#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/json_writer.h"

namespace tidegate::json {

using simdjson::dom::element;
using simdjson::dom::element_type;

static_assert(sizeof(element) == 16 && std::is_trivially_copyable_v<element>, "Value keeps an element in 16 bytes");

struct Access {
    static element get(const Value& value) {
        element out;
        std::memcpy(static_cast<void*>(&out), value.element_.data(), sizeof out);
        return out;
    }
    static Value make(const element& from) {
        Value value;
        std::memcpy(value.element_.data(), static_cast<const void*>(&from), sizeof from);
        return value;
    }
};

struct Document::Impl {
    simdjson::dom::parser parser;
    std::string padded;  // The text with the bytes behind it that simdjson may read.
    element root;
};

/// Parsers that are at rest, a few for each thread: a new one costs 6,000 instructions and five allocations. A large one is freed, so
/// a thread keeps at most kKept times some 8 bytes a byte of kBytesMax.
class Document::Spares {
  public:
    std::unique_ptr<Impl> take() {
        if (kept_.empty()) return std::make_unique<Impl>();
        auto impl = std::move(kept_.back());
        kept_.pop_back();
        return impl;
    }
    void give(std::unique_ptr<Impl> impl) {
        if (kept_.capacity() == 0) kept_.reserve(kKept);
        if (kept_.size() < kKept && impl->parser.capacity() <= kBytesMax) kept_.push_back(std::move(impl));
    }
    /// Null at the thread's end.
    static Spares* of_thread();

  private:
    struct Holder;
    static constexpr std::size_t kKept = 4;
    static constexpr std::size_t kBytesMax = 64 * 1024;
    static thread_local bool gone_;
    std::vector<std::unique_ptr<Impl>> kept_;
};

struct Document::Spares::Holder {
    Spares spares;
    ~Holder() { gone_ = true; }
};
thread_local bool Document::Spares::gone_ = false;
Document::Spares* Document::Spares::of_thread() {
    thread_local Holder holder;
    return gone_ ? nullptr : &holder.spares;
}

std::string_view to_string(Kind kind) noexcept {
    switch (kind) {
        case Kind::kNull:
            return "null";
        case Kind::kBool:
            return "boolean";
        case Kind::kInteger:
        case Kind::kUnsigned:
            return "integer";
        case Kind::kDouble:
            return "number";
        case Kind::kString:
            return "string";
        case Kind::kArray:
            return "array";
        case Kind::kObject:
            return "object";
    }
    return "null";
}

Kind Value::kind() const noexcept {
    switch (Access::get(*this).type()) {
        case element_type::ARRAY:
            return Kind::kArray;
        case element_type::OBJECT:
            return Kind::kObject;
        case element_type::INT64:
            return Kind::kInteger;
        case element_type::UINT64:
            return Kind::kUnsigned;
        case element_type::DOUBLE:
            return Kind::kDouble;
        case element_type::STRING:
            return Kind::kString;
        case element_type::BOOL:
            return Kind::kBool;
        case element_type::NULL_VALUE:
            return Kind::kNull;
    }
    return Kind::kNull;
}

bool Value::is_number() const noexcept {
    return is_integer() || kind() == Kind::kDouble;
}
bool Value::is_integer() const noexcept {
    return kind() == Kind::kInteger || kind() == Kind::kUnsigned;
}

bool Value::as_bool() const {
    bool out = false;
    TG_ASSERT(Access::get(*this).get(out) == simdjson::SUCCESS);
    return out;
}

double Value::as_double() const {
    double out = 0;
    TG_ASSERT(Access::get(*this).get(out) == simdjson::SUCCESS);
    return out;
}

std::int64_t Value::as_int() const {
    std::int64_t out = 0;
    TG_ASSERT(is_integer());
    if (Access::get(*this).get(out) != simdjson::SUCCESS) return std::numeric_limits<std::int64_t>::max();
    return out;
}

std::uint64_t Value::as_unsigned() const {
    std::uint64_t out = 0;
    TG_ASSERT(is_integer() && Access::get(*this).get(out) == simdjson::SUCCESS);
    return out;
}

std::string_view Value::as_string() const {
    std::string_view out;
    TG_ASSERT(Access::get(*this).get(out) == simdjson::SUCCESS);
    return out;
}

std::size_t Value::size() const {
    const element self = Access::get(*this);
    simdjson::dom::array array;
    if (self.get(array) == simdjson::SUCCESS) return array.size();
    simdjson::dom::object object;
    TG_ASSERT(self.get(object) == simdjson::SUCCESS);
    return object.size();
}

std::optional<Value> Value::find(std::string_view name) const {
    simdjson::dom::object object;
    TG_ASSERT(Access::get(*this).get(object) == simdjson::SUCCESS);
    element member;
    if (object.at_key(name).get(member) != simdjson::SUCCESS) return std::nullopt;
    return Access::make(member);
}

void Value::walk_array(void (*visit)(void*, Value), void* context) const {
    simdjson::dom::array array;
    TG_ASSERT(Access::get(*this).get(array) == simdjson::SUCCESS);
    for (const element item : array) visit(context, Access::make(item));
}

void Value::walk_object(void (*visit)(void*, std::string_view, Value), void* context) const {
    simdjson::dom::object object;
    TG_ASSERT(Access::get(*this).get(object) == simdjson::SUCCESS);
    for (const auto member : object) visit(context, member.key, Access::make(member.value));
}

Document::Document(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&& other) noexcept {
    std::swap(impl_, other.impl_);
    return *this;
}
Document::~Document() {
    if (impl_ == nullptr) return;
    if (Spares* spares = Spares::of_thread()) spares->give(std::move(impl_));
}
Value Document::root() const {
    return Access::make(impl_->root);
}

namespace {

Error describe(simdjson::error_code code) {
    switch (code) {
        case simdjson::DEPTH_ERROR:
            return {ErrorCode::kInvalidArgument, "the JSON is nested too deeply"};
        case simdjson::UTF8_ERROR:
            return {ErrorCode::kInvalidArgument, "the body is not valid UTF-8"};
        case simdjson::EMPTY:
            return {ErrorCode::kInvalidArgument, "the body is empty; JSON was expected"};
        case simdjson::UNCLOSED_STRING:
            return {ErrorCode::kInvalidArgument, "the body is not JSON: a string is not closed"};
        case simdjson::STRING_ERROR:
            return {ErrorCode::kInvalidArgument, "the body is not JSON: a string holds a bad escape"};
        case simdjson::UNESCAPED_CHARS:
            return {ErrorCode::kInvalidArgument,
                    "the body is not JSON: a control character stands unescaped in a string"};
        case simdjson::NUMBER_ERROR:
            return {ErrorCode::kInvalidArgument, "the body is not JSON: a number is malformed"};
        default:
            return {ErrorCode::kInvalidArgument, "the body is not JSON"};
    }
}

}  // namespace

Result<Document> parse(std::string_view bytes, Limits limits) {
    Document::Spares* spares = Document::Spares::of_thread();
    auto impl = spares != nullptr ? spares->take() : std::make_unique<Document::Impl>();
    simdjson::dom::parser& parser = impl->parser;
    if (parser.capacity() < bytes.size() || parser.capacity() == 0 || parser.max_depth() != limits.depth_max) {
        const std::size_t capacity = std::max<std::size_t>({bytes.size(), parser.capacity(), 1024});
        if (const auto code = parser.allocate(capacity, limits.depth_max)) return std::unexpected(describe(code));
    }
    impl->padded.assign(bytes).append(simdjson::SIMDJSON_PADDING, '\0');
    if (const auto code =
            parser.parse(impl->padded.data(), bytes.size(), /*realloc_if_needed=*/false).get(impl->root)) {
        if (spares != nullptr) spares->give(std::move(impl));
        return std::unexpected(describe(code));
    }
    return Document(std::move(impl));
}

void append(std::string& out, Value value) {
    switch (value.kind()) {
        case Kind::kNull:
            out += "null";
            return;
        case Kind::kBool:
            out += value.as_bool() ? "true" : "false";
            return;
        case Kind::kString:
            append_json_string(out, value.as_string());
            return;
        case Kind::kDouble:
            append_json_number(out, value.as_double());
            return;
        case Kind::kInteger:
        case Kind::kUnsigned:
            out += simdjson::minify(Access::get(value));
            return;
        case Kind::kArray: {
            out.push_back('[');
            bool first = true;
            value.each([&](Value item) {
                if (!std::exchange(first, false)) out.push_back(',');
                append(out, item);
            });
            out.push_back(']');
            return;
        }
        case Kind::kObject: {
            out.push_back('{');
            bool first = true;
            value.each_member([&](std::string_view name, Value member) {
                if (!std::exchange(first, false)) out.push_back(',');
                append_json_string(out, name);
                out.push_back(':');
                append(out, member);
            });
            out.push_back('}');
            return;
        }
    }
}

}  // namespace tidegate::json
