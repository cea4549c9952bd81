#include "services/content/search/shelf.h"

namespace tidegate::content {

std::string_view to_string(PutOutcome outcome) noexcept {
    switch (outcome) {
        case PutOutcome::kStored:
            return "stored";
        case PutOutcome::kUpdated:
            return "updated";
        case PutOutcome::kUnchanged:
            return "unchanged";
    }
    return "unchanged";
}

Result<ReadMoment> ReadMoment::begin(Shelf& shelf) {
    TG_CHECK(shelf.begin_reading());
    return ReadMoment(shelf);
}

ReadMoment::~ReadMoment() {
    if (shelf_ != nullptr) shelf_->roll_back();
}

Result<WriteMoment> WriteMoment::begin(Shelf& shelf) {
    TG_CHECK(shelf.begin_writing());
    return WriteMoment(shelf);
}

WriteMoment::~WriteMoment() {
    if (shelf_ != nullptr) shelf_->roll_back();
}

Result<void> WriteMoment::commit() {
    TG_CHECK(shelf_->commit());
    shelf_ = nullptr;
    return {};
}

}  // namespace tidegate::content
