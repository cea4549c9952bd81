// Asking a model in a test: FP32 rows in, FP32 rows out, waited for.
#pragma once

#include <cstring>
#include <future>
#include <memory>
#include <utility>
#include <vector>

#include "model/model.h"

namespace tidegate::model::testing {

/// Bytes that live as long as the request.
inline InferRequest request_of(std::string_view input, const Shape& shape, std::vector<float> values) {
    auto owner = std::make_shared<std::vector<float>>(std::move(values));
    InferRequest request;
    request.inputs = {
        {.name = input,
         .tensor = {
             .type = DataType::kFp32, .shape = shape, .bytes = std::as_bytes(std::span(*owner)), .strings = {}}}};
    request.owner = owner;
    return request;
}

/// The first output's numbers, later. The model may be let go of at once.
inline std::future<Result<std::vector<float>>> ask(const ModelPtr& model, InferRequest request) {
    auto promise = std::make_shared<std::promise<Result<std::vector<float>>>>();
    auto future = promise->get_future();
    request.done = [promise](Result<InferAnswer> answer) {
        if (!answer) return promise->set_value(std::unexpected(answer.error()));
        const std::span<const std::byte> bytes = answer->outputs.at(0).tensor.bytes;
        std::vector<float> values(bytes.size() / sizeof(float));
        std::memcpy(values.data(), bytes.data(), bytes.size());
        promise->set_value(std::move(values));
    };
    model->infer(std::move(request));
    return future;
}

inline std::future<Result<std::vector<float>>> ask_row(const ModelPtr& model, std::vector<float> row) {
    return ask(model, request_of("x", {1, static_cast<std::int64_t>(row.size())}, std::move(row)));
}

}  // namespace tidegate::model::testing
