// Members: reads an object of a tokenizer.json, and says by name what is missing, of another kind or not known.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace tidegate::model::text_detail {

/// `where` names the component in messages, as `pre_tokenizer "Split"`.
class Members {
  public:
    Members(json::Value object, std::string where) : object_(object), where_(std::move(where)) {}

    /// Refuses members that are not in the list: what we do not know we cannot do.
    Result<void> only(std::initializer_list<std::string_view> known) const;
    Result<bool> flag(std::string_view name, bool absent) const;
    Result<std::string> text(std::string_view name) const;
    Result<std::uint32_t> number(std::string_view name, std::uint32_t most) const;
    Result<json::Value> array(std::string_view name) const;
    Result<json::Value> object(std::string_view name) const;
    /// Absent or null.
    bool is_absent(std::string_view name) const;
    std::unexpected<Error> wrong(std::string_view what) const;
    const std::string& where() const noexcept { return where_; }

  private:
    json::Value object_;
    std::string where_;
};

/// The member `type` of a component; `role` as `normalizer`.
Result<std::string> component_type(json::Value component, std::string_view role);
/// kFailedValidation: `tokenizer: REASON`.
std::unexpected<Error> wrong_tokenizer(std::string reason);

}  // namespace tidegate::model::text_detail
