#include "services/inference/load_mix.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>

#include "load/prose.h"

namespace tidegate::inference {
namespace {

using load::Dice;
using load::Payload;

constexpr double kInferWeight = 20;
constexpr double kEmbedWeight = 5;
constexpr std::size_t kModelsMax = 4;
// A dimension that the model leaves open, other than the first: a short sequence.
constexpr std::int64_t kOpenLength = 8;
// More values than this in one JSON request measure the parser of numbers.
constexpr std::int64_t kValuesMax = 4096;
constexpr std::size_t kEmbedMedian = 200;

struct Input {
    std::string name;
    std::string type;
    std::vector<std::int64_t> shape;
};

/// Nothing when the metadata is not what the protocol says.
std::optional<std::vector<Input>> read_inputs(json::Value root) {
    const auto inputs = root.kind() == json::Kind::kObject ? root.find("inputs") : std::nullopt;
    if (!inputs || inputs->kind() != json::Kind::kArray || inputs->size() == 0) return std::nullopt;
    std::vector<Input> out;
    bool good = true;
    inputs->each([&](json::Value one) {
        const auto name = one.find("name");
        const auto type = one.find("datatype");
        const auto shape = one.find("shape");
        if (!name || !type || !shape || shape->kind() != json::Kind::kArray) {
            good = false;
            return;
        }
        Input input{.name = std::string(name->as_string()), .type = std::string(type->as_string()), .shape = {}};
        shape->each([&](json::Value size) { input.shape.push_back(size.is_integer() ? size.as_int() : 0); });
        good = good && !input.shape.empty();
        out.push_back(std::move(input));
    });
    return good ? std::optional(std::move(out)) : std::nullopt;
}

/// Rows in the first dimension where it is open; all others open ones get a short length.
std::vector<std::int64_t> shape_for(const Input& input, std::int64_t rows) {
    std::vector<std::int64_t> shape = input.shape;
    for (std::size_t i = 0; i < shape.size(); ++i) {
        if (shape[i] < 0) shape[i] = i == 0 ? rows : kOpenLength;
    }
    return shape;
}

std::int64_t values_of(const std::vector<std::int64_t>& shape) {
    std::int64_t count = 1;
    for (const std::int64_t size : shape)
        count = std::min<std::int64_t>(count * std::max<std::int64_t>(size, 0), 1 << 30);
    return count;
}

bool can_make(const Input& input) {
    static constexpr std::array<std::string_view, 12> kTypes{"BOOL",  "UINT8", "UINT16", "UINT32", "UINT64", "INT8",
                                                             "INT16", "INT32", "INT64",  "FP32",   "FP64",   "BYTES"};
    return std::ranges::find(kTypes, input.type) != kTypes.end() && values_of(shape_for(input, 1)) <= kValuesMax &&
           values_of(shape_for(input, 1)) > 0;
}

void append_value(std::string& out, std::string_view type, Dice& dice) {
    if (type == "BYTES") {
        out.push_back('"');
        load::append_prose(out, kEmbedMedian / 2, dice);
        out.push_back('"');
    } else if (type.starts_with("FP")) {
        fmt::format_to(std::back_inserter(out), "{:.4f}", dice.unit() * 4 - 2);
    } else if (type == "BOOL") {
        out += dice.below(2) == 0 ? "false" : "true";
    } else {
        // Within every integer type, and within a small vocabulary.
        fmt::format_to(std::back_inserter(out), "{}", dice.below(64));
    }
}

void make_infer(const std::string& model, const std::vector<Input>& inputs, std::int64_t rows, Dice& dice,
                Payload& out) {
    out.method = "POST";
    out.target = "/v2/models/" + model + "/infer";
    out.content_type = "application/json";
    out.body = "{\"inputs\":[";
    for (const Input& input : inputs) {
        const std::vector<std::int64_t> shape = shape_for(input, rows);
        fmt::format_to(std::back_inserter(out.body), "{}{{\"name\":\"{}\",\"datatype\":\"{}\",\"shape\":[",
                       &input == inputs.data() ? "" : ",", input.name, input.type);
        for (std::size_t i = 0; i < shape.size(); ++i)
            fmt::format_to(std::back_inserter(out.body), "{}{}", i == 0 ? "" : ",", shape[i]);
        out.body += "],\"data\":[";
        const std::int64_t count = values_of(shape);
        for (std::int64_t i = 0; i < count; ++i) {
            if (i > 0) out.body.push_back(',');
            append_value(out.body, input.type, dice);
        }
        out.body += "]}";
    }
    out.body += "]}";
}

/// Rows that the model takes in one request, at most 32.
std::int64_t rows_max(const load::Scout& scout, const std::string& model) {
    const auto config = scout.ask("GET", "/v2/models/" + model + "/config", "");
    if (!config || config->root().kind() != json::Kind::kObject) return 1;
    const auto most = config->root().find("max_batch_size");
    if (!most || !most->is_integer()) return 1;
    return std::clamp<std::int64_t>(most->as_int(), 1, 32);
}

void offer_model(const load::Scout& scout, load::Offers& offers, const std::string& model, double weight) {
    const auto metadata = scout.ask("GET", "/v2/models/" + model, "");
    if (!metadata) return offers.leave_out("infer_" + model, metadata.error().message);
    const auto inputs = read_inputs(metadata->root());
    if (!inputs || !std::ranges::all_of(*inputs, can_make)) {
        return offers.leave_out("infer_" + model, "its inputs are of a type or size that this tool does not make");
    }
    const std::int64_t most = rows_max(scout, model);
    const auto one = [model, given = *inputs](Dice& dice, Payload& out) { make_infer(model, given, 1, dice, out); };
    offers.operations.push_back({.name = "infer_" + model,
                                 .method = "POST",
                                 .handler = "/v2/models/{model}/infer",
                                 .weight = weight,
                                 .make = one});
    const auto many = [model, given = *inputs, most](Dice& dice, Payload& out) {
        make_infer(model, given, most, dice, out);
    };
    offers.operations.push_back({.name = "infer_" + model + "_heavy",
                                 .method = "POST",
                                 .handler = "/v2/models/{model}/infer",
                                 .weight = 0,
                                 .heavy = weight,
                                 .make = many});
}

void offer_models(const load::Scout& scout, load::Offers& offers) {
    const auto index = scout.ask("POST", "/v2/repository/index", "{\"ready\":true}");
    if (!index) return offers.leave_out("infer", index.error().message);
    std::vector<std::string> names;
    if (index->root().kind() == json::Kind::kArray) {
        index->root().each([&](json::Value one) {
            const auto name = one.find("name");
            if (!name || name->kind() != json::Kind::kString) return;
            if (std::ranges::find(names, name->as_string()) == names.end()) names.emplace_back(name->as_string());
        });
    }
    if (names.empty()) return offers.leave_out("infer", "no model serves");
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (i >= kModelsMax) {
            offers.leave_out("infer_" + names[i], fmt::format("only the first {} models are asked", kModelsMax));
        } else {
            offer_model(scout, offers, names[i],
                        kInferWeight / static_cast<double>(std::min(names.size(), kModelsMax)));
        }
    }
}

/// The model of the first entry of /v1/models.
std::string embedding_model(const load::Scout& scout) {
    const auto models = scout.ask("GET", "/v1/models", "");
    if (!models || models->root().kind() != json::Kind::kObject) return {};
    std::string name;
    const auto data = models->root().find("data");
    if (!data || data->kind() != json::Kind::kArray) return {};
    data->each([&](json::Value one) {
        const auto id = one.find("id");
        // What is built in is there on every server.
        if (id && id->kind() == json::Kind::kString && id->as_string().starts_with("tidegate-")) name = id->as_string();
    });
    return name;
}

}  // namespace

void offer_load(const load::Scout& scout, load::Offers& offers) {
    if (scout.has_route("POST", "/v2/models/{model}/infer")) {
        offer_models(scout, offers);
    } else {
        offers.leave_out("infer", "the target has no POST /v2/models/{model}/infer");
    }
    const std::string model = embedding_model(scout);
    if (model.empty()) return offers.leave_out("embed", "no embedding model is built into the target");
    offers.operations.push_back({.name = "embed",
                                 .method = "POST",
                                 .handler = "/v1/embeddings",
                                 .weight = kEmbedWeight,
                                 .make = [model](Dice& dice, Payload& out) {
                                     out.method = "POST";
                                     out.target = "/v1/embeddings";
                                     out.content_type = "application/json";
                                     out.body = "{\"model\":\"" + model + "\",\"input\":\"";
                                     load::append_prose(out.body, load::text_length(kEmbedMedian, dice), dice);
                                     out.body += "\"}";
                                 }});
}

}  // namespace tidegate::inference
