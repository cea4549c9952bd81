#include "model/text/vocabulary.h"

#include <bit>
#include <functional>

#include "base/hash.h"
#include "model/text/members.h"

namespace tidegate::model {

Result<Vocabulary> Vocabulary::parse(json::Value object, const std::string& where) {
    Vocabulary made;
    std::string reason;
    object.each_member([&](std::string_view token, json::Value id) {
        if (!reason.empty()) return;
        if (id.kind() != json::Kind::kInteger || id.as_int() < 0 || id.as_int() >= std::int64_t{kIdMax}) {
            reason = "an id is no whole number below 4194304";
        } else if (!made.add(token, static_cast<std::uint32_t>(id.as_int()))) {
            reason = "a token or an id stands twice";
        }
    });
    if (reason.empty() && made.size() == 0) reason = "there are no tokens";
    if (!reason.empty()) return text_detail::wrong_tokenizer(where + ": vocab: " + reason);
    return made;
}

bool Vocabulary::add(std::string_view token, std::uint32_t id) {
    if (id >= kIdMax) return false;
    if (slots_.size() < 2 * (count_ + 1)) grow();
    const std::size_t place = slot(token);
    if (slots_[place] != 0) return false;
    if (id >= places_.size()) places_.resize(id + 1);
    if (places_[id].size != UINT32_MAX) return false;
    places_[id] = {static_cast<std::uint32_t>(bytes_.size()), static_cast<std::uint32_t>(token.size())};
    bytes_.append(token);
    slots_[place] = id + 1;
    ++count_;
    return true;
}

void Vocabulary::grow() {
    std::vector<std::uint32_t> old(std::bit_ceil(4 * (count_ + 16)));
    std::swap(old, slots_);
    for (const std::uint32_t entry : old) {
        if (entry != 0) slots_[slot(token(entry - 1))] = entry;
    }
}

std::size_t Vocabulary::slot(std::string_view token) const noexcept {
    const std::size_t mask = slots_.size() - 1;
    std::size_t place = mix64(std::hash<std::string_view>()(token)) & mask;
    while (slots_[place] != 0 && this->token(slots_[place] - 1) != token) place = (place + 1) & mask;
    return place;
}

std::optional<std::uint32_t> Vocabulary::id(std::string_view token) const noexcept {
    if (slots_.empty()) return std::nullopt;
    const std::uint32_t entry = slots_[slot(token)];
    if (entry == 0) return std::nullopt;
    return entry - 1;
}

std::string_view Vocabulary::token(std::uint32_t id) const noexcept {
    if (id >= places_.size() || places_[id].size == UINT32_MAX) return {};
    return std::string_view(bytes_).substr(places_[id].begin, places_[id].size);
}

}  // namespace tidegate::model
