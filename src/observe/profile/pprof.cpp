#include "observe/profile/pprof.h"

#include <map>
#include <span>

namespace tidegate::profile {
namespace {

/// Protocol buffers' wire format, as far as the profile needs it.
class Message {
  public:
    void number(unsigned field, std::uint64_t value) {
        if (value == 0) return;  // proto3: absent is zero.
        varint(field << 3U);
        varint(value);
    }
    void integer(unsigned field, std::int64_t value) { number(field, static_cast<std::uint64_t>(value)); }
    void bytes(unsigned field, std::string_view value) {
        varint(field << 3U | 2U);
        varint(value.size());
        out_ += value;
    }
    void message(unsigned field, const Message& value) { bytes(field, value.out_); }
    template <class T>
    void packed(unsigned field, std::span<const T> values) {
        Message inner;
        for (const T value : values) inner.varint(static_cast<std::uint64_t>(value));
        message(field, inner);
    }
    std::string take() { return std::move(out_); }

  private:
    void varint(std::uint64_t value) {
        while (value >= 0x80) {
            out_ += static_cast<char>((value & 0x7FU) | 0x80U);
            value >>= 7U;
        }
        out_ += static_cast<char>(value);
    }
    std::string out_;
};

/// The fields' numbers in profile.proto.
enum ProfileField : unsigned {
    kSampleType = 1,
    kSample = 2,
    kMapping = 3,
    kLocation = 4,
    kFunction = 5,
    kStringTable = 6,
    kTimeNanos = 9,
    kDurationNanos = 10,
    kPeriodType = 11,
    kPeriod = 12,
    kComment = 13,
    kDefaultSampleType = 14,
};

class Encoder {
  public:
    Encoder(const Profile& profile, Symbols& symbols) : profile_(profile), symbols_(symbols) { text(""); }

    std::string encode() {
        for (const ValueType& type : profile_.types) out_.message(kSampleType, type_of(type));
        for (const Sample& sample : profile_.samples) out_.message(kSample, sample_of(sample));
        // pprof takes the first mapping for the program itself.
        for (std::size_t i = 0; i < symbols_.maps().size(); ++i) {
            if (symbols_.maps()[i].executable && !symbols_.maps()[i].file.empty()) mapping(i);
        }
        out_.integer(kTimeNanos, profile_.taken_at * 1'000'000 - profile_.duration.count());
        out_.integer(kDurationNanos, profile_.duration.count());
        out_.message(kPeriodType, type_of(profile_.period_type));
        out_.integer(kPeriod, profile_.period);
        if (profile_.dropped > 0) comment("samples dropped: " + std::to_string(profile_.dropped));
        if (profile_.missed > 0) comment("threads without a timer: " + std::to_string(profile_.missed));
        if (!profile_.types.empty()) out_.number(kDefaultSampleType, text(profile_.types.back().type));
        for (const std::string& one : texts_) out_.bytes(kStringTable, one);
        return out_.take();
    }

  private:
    std::uint64_t text(const std::string& value) {
        const auto [at, fresh] = text_ids_.try_emplace(value, texts_.size());
        if (fresh) texts_.push_back(value);
        return at->second;
    }
    void comment(const std::string& words) { out_.number(kComment, text(words)); }
    Message type_of(const ValueType& type) {
        Message message;
        message.number(1, text(type.type));
        message.number(2, text(type.unit));
        return message;
    }
    Message sample_of(const Sample& sample) {
        std::vector<std::uint64_t> locations;
        locations.reserve(sample.stack.size());
        for (const std::uintptr_t address : sample.stack) locations.push_back(location(address));
        Message message;
        message.packed<std::uint64_t>(1, locations);
        message.packed<std::int64_t>(2, sample.values);
        if (!sample.thread.empty()) {
            Message label;
            label.number(1, text("thread"));
            label.number(2, text(sample.thread));
            message.message(3, label);
        }
        return message;
    }
    std::uint64_t location(std::uintptr_t address) {
        const auto known = locations_.find(address);
        if (known != locations_.end()) return known->second;
        const std::uint64_t id = locations_.size() + 1;
        locations_.emplace(address, id);
        const Symbols::Place& place = symbols_.find(address);
        Message message;
        message.number(1, id);
        if (place.mapping != Symbols::kNoMapping) message.number(2, place.mapping + 1);
        message.number(3, address);
        Message line;
        line.number(1, function(place));
        message.message(4, line);
        out_.message(kLocation, message);
        return id;
    }
    std::uint64_t function(const Symbols::Place& place) {
        const std::string system = place.mangled.empty() ? place.name : std::string(place.mangled);
        const auto [known, fresh] = functions_.try_emplace(system, functions_.size() + 1);
        if (!fresh) return known->second;
        Message message;
        message.number(1, known->second);
        message.number(2, text(place.name));
        message.number(3, text(system));
        if (place.mapping != Symbols::kNoMapping) message.number(4, text(symbols_.maps()[place.mapping].file));
        out_.message(kFunction, message);
        return known->second;
    }
    void mapping(std::size_t index) {
        const Mapping& one = symbols_.maps()[index];
        Message message;
        message.number(1, index + 1);
        message.number(2, one.begin);
        message.number(3, one.end);
        message.number(4, one.offset);
        message.number(5, text(one.file));
        message.number(6, text(std::string(symbols_.build_id(index))));
        message.number(7, 1);  // Has functions: what can be named is.
        out_.message(kMapping, message);
    }

    const Profile& profile_;
    Symbols& symbols_;
    Message out_;
    std::vector<std::string> texts_;
    std::map<std::string, std::uint64_t> text_ids_;
    std::map<std::uintptr_t, std::uint64_t> locations_;
    std::map<std::string, std::uint64_t> functions_;
};

}  // namespace

std::string to_pprof(const Profile& profile, Symbols& symbols) {
    return Encoder(profile, symbols).encode();
}

}  // namespace tidegate::profile
