// Vocabulary: the tokens of a model and their ids, both ways.
//
// Guarantee   Every id is below kIdMax, no token stands twice; tokens are valid UTF-8 (they come out of JSON).
// Memory      The tokens' bytes once, 16 bytes a token beside them.
// Threads     Read only after loading.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace tidegate::model {

class Vocabulary {
  public:
    static constexpr std::uint32_t kIdMax = 4'194'304;  // The largest vocabularies of the field have 256,000.

    /// An object of token to id.
    static Result<Vocabulary> parse(json::Value object, const std::string& where);

    std::optional<std::uint32_t> id(std::string_view token) const noexcept;
    /// Empty where no token has this id.
    std::string_view token(std::uint32_t id) const noexcept;
    /// Count of tokens.
    std::size_t size() const noexcept { return count_; }
    /// One above the highest id.
    std::uint32_t ids() const noexcept { return static_cast<std::uint32_t>(places_.size()); }
    /// Adds a token that is not there; false where token or id is taken or the id is out of range.
    bool add(std::string_view token, std::uint32_t id);

  private:
    struct Place {
        std::uint32_t begin = 0;
        std::uint32_t size = UINT32_MAX;  // UINT32_MAX: no token.
    };
    std::size_t slot(std::string_view token) const noexcept;
    void grow();

    std::string bytes_;
    std::vector<Place> places_;         // By id.
    std::vector<std::uint32_t> slots_;  // Open addressing: id + 1, 0 for empty.
    std::size_t count_ = 0;
};

}  // namespace tidegate::model
