// Schema: what a JSON value must look like; one declaration checks requests, fills OpenAPI and drives the
// tests.
//
// Guarantee   validate() names every failing field, up to kErrorsMax; a field it does not know is no error
// but a
//             warning, so that a client made for another version keeps working and its author is told.
// Source      JSON Schema 2020-12, the subset that OpenAPI 3.1 documents need.
// Threads     Immutable once built; copies are cheap (shared node).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/json_writer.h"

namespace tidegate::pipeline {

/// One reason why a request is not acceptable: the `errors` members of a problem document.
struct FieldError {
    std::string field;    // `items[3].text`; empty for the body as a whole.
    std::string message;  // In words; holds no piece of the input.
    std::string type;     // Stable: missing, wrong_type, too_short, too_long, too_small, too_large, not_allowed,
                          // bad_format.
};

struct Findings {
    static constexpr std::size_t kErrorsMax = 50;
    static constexpr std::size_t kWarningsMax = 20;
    std::vector<FieldError> errors;
    std::vector<std::string> warnings;
};

class Schema {
  public:
    struct Member;
    enum class Type : std::uint8_t { kAny, kString, kInteger, kNumber, kBoolean, kArray, kObject };

    static Schema any();
    static Schema string();
    static Schema integer();
    static Schema number();
    static Schema boolean();
    static Schema array(Schema items);
    static Schema object(std::vector<Member> members);

    /// Strings: code points. Arrays: elements.
    Schema size(std::size_t least, std::size_t most) const;
    /// Numbers, both ends included.
    Schema range(double least, double most) const;
    Schema one_of(std::vector<std::string> allowed) const;
    /// `date-time` and `uuid` are checked; any other name is only documented.
    Schema format(std::string name) const;
    Schema doc(std::string text) const;
    Schema nullable() const;
    /// Objects: members that are not declared are fine and not worth a warning.
    Schema open() const;

    Type type() const noexcept;
    /// `path` is the name of the value for messages, empty for the body.
    void validate(json::Value value, const std::string& path, Findings& findings) const;
    /// As validate(), for a query or path parameter given as text.
    void validate_text(std::string_view text, const std::string& name, Findings& findings) const;
    /// Writes the JSON Schema.
    void write(JsonWriter& writer) const;

  private:
    struct Node;
    struct Where;
    explicit Schema(std::shared_ptr<const Node> node) : node_(std::move(node)) {}
    template <class Edit>
    Schema with(Edit&& edit) const;
    void validate_at(json::Value value, const Where& where, Findings& findings) const;
    void validate_string(std::string_view text, const Where& where, Findings& findings) const;
    void validate_number(double number, const Where& where, Findings& findings) const;
    void validate_array(json::Value value, const Where& where, Findings& findings) const;
    void validate_object(json::Value value, const Where& where, Findings& findings) const;
    void warn_of_members(json::Value value, const Where& where, Findings& findings) const;
    std::shared_ptr<const Node> node_;
};

struct Schema::Member {
    std::string name;
    Schema schema;
    bool required = false;
};

/// `required("text", Schema::string())`
Schema::Member required(std::string name, Schema schema);
Schema::Member optional(std::string name, Schema schema);

}  // namespace tidegate::pipeline
