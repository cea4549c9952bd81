// Prometheus text format 0.0.4 and OpenMetrics 1.0, from one walk over a family.
#include <charconv>
#include <cmath>
#include <optional>

#include "base/assert.h"
#include "base/strings.h"
#include "observe/registry_entry.h"

namespace tidegate::observe {
namespace {

void append_number(std::string& out, double value) {
    if (std::isnan(value)) {
        out += "NaN";
    } else if (std::isinf(value)) {
        out += value > 0 ? "+Inf" : "-Inf";
    } else {
        std::array<char, 32> text{};
        out.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr);
    }
}

void append_number(std::string& out, std::uint64_t value) {
    std::array<char, 24> text{};
    out.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr);
}

// OpenMetrics wants a bucket bound to read as a float (`1.0`).
std::string bound_text(double bound, Exposition exposition) {
    std::string text;
    append_number(text, bound);
    if (exposition == Exposition::kOpenMetrics && text.find_first_of(".eI") == std::string::npos) text += ".0";
    return text;
}

void append_escaped(std::string& out, std::string_view text, bool quotes_too) {
    for (const char c : text) {
        if (c == '\\') {
            out += "\\\\";
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '"' && quotes_too) {
            out += "\\\"";
        } else {
            out.push_back(c);
        }
    }
}

template <class Values>
std::string label_text(const std::vector<std::string>& names, const Values& values) {
    TG_ASSERT(names.size() == values.size());
    std::string out;
    auto value = values.begin();
    for (const std::string& name : names) {
        if (!out.empty()) out.push_back(',');
        out += name;
        out += "=\"";
        append_escaped(out, *value++, true);
        out.push_back('"');
    }
    return out;
}

class Writer final : public Samples {
  public:
    Writer(std::string& out, const FamilyEntry& entry, Exposition exposition)
        : out_(out), entry_(entry), exposition_(exposition) {}

    void head() {
        const bool open = exposition_ == Exposition::kOpenMetrics;
        const std::string_view name =
            open ? family_stem(entry_.spec.name, entry_.type) : std::string_view(entry_.spec.name);
        static constexpr std::array<std::string_view, 3> kTypes{"counter", "gauge", "histogram"};
        comment("# TYPE ", name, kTypes[static_cast<std::size_t>(entry_.type)]);
        if (open && !entry_.spec.unit.empty()) comment("# UNIT ", name, entry_.spec.unit);
        std::string help;
        append_escaped(help, entry_.spec.help, open);
        comment("# HELP ", name, help);
    }

    void operator()(std::monostate) {}
    void operator()(const std::shared_ptr<Family<Counter>>& family) {
        family->each([this](const auto& values, const Counter& counter) {
            sample("", label_text(entry_.spec.labels, values), counter.value());
        });
    }
    void operator()(const std::shared_ptr<Family<Gauge>>& family) {
        family->each([this](const auto& values, const Gauge& gauge) {
            sample("", label_text(entry_.spec.labels, values), gauge.value());
        });
    }
    void operator()(const std::shared_ptr<Family<Histogram>>& family) {
        family->each([this](const auto& values, const Histogram& histogram) {
            buckets(label_text(entry_.spec.labels, values), histogram);
        });
    }
    void operator()(const std::function<void(Samples&)>& read) { read(*this); }

    void add(std::initializer_list<std::string_view> label_values, double value) override {
        sample("", label_text(entry_.spec.labels, label_values), value);
    }

  private:
    void comment(std::string_view keyword, std::string_view name, std::string_view text) {
        out_ += keyword;
        out_ += name;
        out_.push_back(' ');
        out_ += text;
        out_.push_back('\n');
    }

    template <class Number>
    void sample(std::string_view suffix, std::string_view labels, Number value) {
        out_ += entry_.spec.name;
        out_ += suffix;
        if (!labels.empty()) {
            out_.push_back('{');
            out_ += labels;
            out_.push_back('}');
        }
        out_.push_back(' ');
        append_number(out_, value);
        out_.push_back('\n');
    }

    void buckets(const std::string& labels, const Histogram& histogram) {
        const HistogramSnapshot snapshot = histogram.snapshot();
        const std::string separator = labels.empty() ? "" : ",";
        std::uint64_t total = 0;
        for (std::size_t i = 0; i < snapshot.buckets.size(); ++i) {
            total += snapshot.buckets[i];
            const double bound = i < histogram.bounds().size() ? histogram.bounds()[i] : HUGE_VAL;
            sample("_bucket", labels + separator + "le=\"" + bound_text(bound, exposition_) + "\"", total);
        }
        sample("_sum", labels, snapshot.sum * histogram.scale());
        sample("_count", labels, total);
    }

    std::string& out_;
    const FamilyEntry& entry_;
    const Exposition exposition_;
};

struct Accepted {
    std::string_view type;
    double quality = 1;
};

Accepted read_media_range(std::string_view text) {
    Accepted accepted;
    bool first = true;
    for (const std::string_view part : split(text, ';')) {
        const std::string_view piece = trim(part);
        if (first) {
            accepted.type = piece;
            first = false;
        } else if (piece.size() > 2 && (piece[0] == 'q' || piece[0] == 'Q') && piece[1] == '=') {
            accepted.quality = parse_double(piece.substr(2)).value_or(0);
        }
    }
    return accepted;
}

}  // namespace

std::string_view family_stem(std::string_view name, MetricType type) noexcept {
    if (type == MetricType::kCounter && name.ends_with("_total")) name.remove_suffix(6);
    return name;
}

void append_family(std::string& out, const FamilyEntry& entry, Exposition exposition) {
    Writer writer(out, entry, exposition);
    writer.head();
    std::visit(writer, entry.source.get());
}

Exposition choose_exposition(std::string_view accept) {
    double open = 0;
    double text = 0;
    for (const std::string_view item : split(accept, ',')) {
        const Accepted range = read_media_range(trim(item));
        if (iequals(range.type, "application/openmetrics-text")) open = range.quality;
        if (iequals(range.type, "text/plain")) text = range.quality;
    }
    return open > 0 && open >= text ? Exposition::kOpenMetrics : Exposition::kPrometheusText;
}

std::string_view content_type(Exposition exposition) noexcept {
    return exposition == Exposition::kOpenMetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                                  : "text/plain; version=0.0.4; charset=utf-8";
}

}  // namespace tidegate::observe
