// Json: a read-only view of parsed JSON, over simdjson, with limits on depth and size.
//
// Guarantee   parse() accepts RFC 8259 documents of valid UTF-8 only. A Value is valid as long as the Document it
//             came from. Object members keep their order; with a repeated name, find() gives the first.
// Threads     A Document belongs to one thread at a time.
// When it fails  kInvalidArgument, with the reason in words a caller can act on and no piece of the input.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace tidegate::json {

enum class Kind : std::uint8_t { kNull, kBool, kInteger, kUnsigned, kDouble, kString, kArray, kObject };
/// `null`, `boolean`, `integer`, `number`, `string`, `array`, `object`.
std::string_view to_string(Kind kind) noexcept;

/// A handle of 16 bytes; copy it freely. The accessors assert the kind: ask kind() first.
class Value {
  public:
    Kind kind() const noexcept;
    bool is_number() const noexcept;
    bool is_integer() const noexcept;
    bool as_bool() const;
    /// Any number as double.
    double as_double() const;
    /// kInteger, or kUnsigned within the range of int64.
    std::int64_t as_int() const;
    /// kUnsigned, or a kInteger that is not negative: asserts that.
    std::uint64_t as_unsigned() const;
    /// Lives as long as the Document.
    std::string_view as_string() const;
    /// Count of elements or members.
    std::size_t size() const;
    std::optional<Value> find(std::string_view name) const;
    /// Calls visit(Value) for each element of an array.
    template <class Visit>
    void each(Visit&& visit) const {
        walk_array(
            [](void* context, Value element) { (*static_cast<std::remove_reference_t<Visit>*>(context))(element); },
            &visit);
    }
    /// Calls visit(std::string_view name, Value) for each member of an object.
    template <class Visit>
    void each_member(Visit&& visit) const {
        walk_object([](void* context, std::string_view name,
                       Value member) { (*static_cast<std::remove_reference_t<Visit>*>(context))(name, member); },
                    &visit);
    }

  private:
    friend class Document;
    friend struct Access;
    void walk_array(void (*visit)(void*, Value), void* context) const;
    void walk_object(void (*visit)(void*, std::string_view, Value), void* context) const;
    alignas(8) std::array<std::byte, 16> element_{};  // A simdjson::dom::element, kept out of this header.
};

struct Limits {
    std::size_t depth_max = 64;
};

class Document {
  public:
    ~Document();
    Document(Document&&) noexcept;
    Document& operator=(Document&&) noexcept;
    Value root() const;

  private:
    struct Impl;
    class Spares;
    explicit Document(std::unique_ptr<Impl> impl);
    friend Result<Document> parse(std::string_view bytes, Limits limits);
    std::unique_ptr<Impl> impl_;
};

/// Copies `bytes` once (with the padding simdjson needs); the caller's buffer may go.
Result<Document> parse(std::string_view bytes, Limits limits = {});

/// Appends the value as compact JSON.
void append(std::string& out, Value value);

}  // namespace tidegate::json
