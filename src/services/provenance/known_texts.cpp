#include "services/provenance/known_texts.h"

#include <utility>

#include "base/hash.h"

namespace tidegate::provenance {
namespace {

// Of an entry beside its texts: two nodes, two blocks of the heap, a pointer with its counts.
constexpr std::size_t kKnownTextBytes = 256;

std::string key_of_text(std::string_view tenant, std::string_view utf8, const TextContext& told) {
    const Sha256 digest = sha256(utf8);
    std::string key(digest.begin(), digest.end());
    key.append(tenant).push_back('\0');
    key.append(told.domain).push_back('\0');
    return key.append(told.language);
}

}  // namespace

Result<std::shared_ptr<const WrittenText>> KnownTexts::analyse(const TextModel& detector, std::string_view tenant,
                                                               std::string_view utf8, const TextContext& told) {
    std::string key = key_of_text(tenant, utf8, told);
    if (auto known = find(key)) return known;
    TG_TRY(const TextAnalysis analysis, analyse_text(detector, utf8, told));
    auto written = std::make_shared<const WrittenText>(
        write_text(analysis, detector.model_version(), detector.calibration_version()));
    keep(std::move(key), written);
    return written;
}

std::size_t KnownTexts::bytes() const {
    const Lock lock(mutex_);
    return bytes_;
}

std::shared_ptr<const WrittenText> KnownTexts::find(const std::string& key) {
    const Lock lock(mutex_);
    const auto found = places_.find(key);
    if (found == places_.end()) return nullptr;
    order_.splice(order_.begin(), order_, found->second);
    return found->second->written;
}

void KnownTexts::keep(std::string key, std::shared_ptr<const WrittenText> written) {
    const std::size_t bytes =
        kKnownTextBytes + key.capacity() + written->members.capacity() + written->verdict.capacity();
    if (bytes > bytes_max_) return;
    const Lock lock(mutex_);
    if (places_.contains(key)) return;  // Another was faster; it is the same.
    order_.push_front({std::move(key), std::move(written), bytes});
    places_.emplace(order_.front().key, order_.begin());
    bytes_ += bytes;
    while (bytes_ > bytes_max_) {
        bytes_ -= order_.back().bytes;
        places_.erase(order_.back().key);
        order_.pop_back();
    }
}

}  // namespace tidegate::provenance
