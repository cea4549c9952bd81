#include "model/batcher_pass.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

namespace tidegate::model {
namespace {

constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

std::span<const std::byte> bytes_of(const auto& value) {
    return std::as_bytes(std::span(&value, 1));
}

// One element of the value that fills rows up. create() refused values that the type cannot hold.
void fill(std::span<std::byte> to, DataType type, std::int64_t value) {
    const std::size_t size = element_size(type);
    if (value == 0 || size == 0) {
        std::ranges::fill(to, std::byte{0});
        return;
    }
    std::array<std::byte, 8> element{};
    const auto set = [&](const auto& number) { std::ranges::copy(bytes_of(number), element.begin()); };
    if (type == DataType::kFp32) {
        set(static_cast<float>(value));
    } else if (type == DataType::kFp64) {
        set(static_cast<double>(value));
    } else {
        set(value);  // Little-endian: the low bytes are the smaller type.
    }
    for (std::size_t at = 0; at + size <= to.size(); at += size) {
        std::ranges::copy(std::span(element).first(size), to.begin() + static_cast<std::ptrdiff_t>(at));
    }
}

std::uint64_t elements_a_row(const Shape& shape, std::size_t from) {
    std::uint64_t elements = 1;
    for (std::size_t d = from; d < shape.size(); ++d) elements *= static_cast<std::uint64_t>(shape[d]);
    return elements;
}

}  // namespace

Result<std::span<const TensorView>> PassRunner::assemble(std::span<BatchRequest* const> requests, std::uint32_t rows,
                                                         std::uint32_t longest) {
    // Alone: its own bytes, uncopied. All its rows have its own length already.
    if (requests.size() == 1) return std::span<const TensorView>(requests.front()->inputs);
    const std::size_t inputs = requests.front()->inputs.size();
    views_.resize(inputs);
    buffers_.resize(std::max(buffers_.size(), inputs));
    strings_.resize(std::max(strings_.size(), inputs));
    for (std::size_t i = 0; i < inputs; ++i) TG_CHECK(join(i, requests, rows, longest));
    return std::span<const TensorView>(views_);
}

Result<void> PassRunner::join(std::size_t input, std::span<BatchRequest* const> requests, std::uint32_t rows,
                              std::uint32_t longest) {
    const TensorView& like = requests.front()->inputs[input];
    const bool pads = input < options_.pad_inputs.size() && options_.pad_inputs[input].pads;
    TensorView& view = views_[input];
    view = TensorView{.type = like.type, .shape = like.shape, .bytes = {}, .strings = {}};
    view.shape.set(0, rows);
    if (pads) view.shape.set(1, longest);
    const std::uint64_t each = elements_a_row(like.shape, pads ? 2 : 1);
    const std::uint64_t length = pads ? longest : 1;

    if (like.type == DataType::kBytes) {
        std::vector<std::string_view>& strings = strings_[input];
        strings.clear();
        for (const BatchRequest* request : requests) {
            const auto from = request->inputs[input].strings;
            const std::uint64_t own = each * (pads ? request->tokens : 1);
            for (std::uint32_t row = 0; row < request->rows; ++row) {
                const auto part = from.subspan(row * own, own);
                strings.insert(strings.end(), part.begin(), part.end());
                strings.resize(strings.size() + each * length - own);
            }
        }
        view.strings = strings;
        return {};
    }
    const std::size_t size = element_size(like.type);
    const std::uint64_t bytes = rows * length * each * size;
    Tensor& buffer = buffers_[input];
    if (buffer.bytes().size() < bytes) {
        // In powers of two, so that growing batches do not make a new one each time.
        const auto capacity = static_cast<std::int64_t>(std::bit_ceil(bytes));
        TG_TRY(buffer, Tensor::make(DataType::kUint8, Shape{capacity}, kNoLimit));
    }
    const std::span<std::byte> to = buffer.bytes().first(bytes);
    std::size_t at = 0;
    for (const BatchRequest* request : requests) {
        const auto from = request->inputs[input].bytes;
        if (!pads || request->tokens == longest) {
            if (!from.empty()) std::memcpy(to.data() + at, from.data(), from.size());
            at += from.size();
            continue;
        }
        const std::size_t own = request->tokens * each * size;
        const std::size_t whole = length * each * size;
        for (std::uint32_t row = 0; row < request->rows; ++row) {
            if (own > 0) std::memcpy(to.data() + at, from.data() + row * own, own);
            fill(to.subspan(at + own, whole - own), like.type, options_.pad_inputs[input].value);
            at += whole;
        }
    }
    view.bytes = to;
    return {};
}

void PassRunner::trim() noexcept {
    std::size_t kept = 0;
    for (const Tensor& buffer : buffers_) kept += buffer.bytes().size();
    if (kept > kKeptBytesMax) buffers_.clear();
}

Result<std::shared_ptr<PassResult>> run_session(Session& session, std::span<const TensorView> inputs,
                                                std::span<const std::uint32_t> wanted,
                                                const std::atomic<bool>* cancelled) {
    auto result = std::make_shared<PassResult>();
    TG_CHECK(session.run(inputs, wanted, result->tensors, RunOptions{.cancelled = cancelled}));
    if (result->tensors.size() != wanted.size()) {
        return fail(ErrorCode::kInternal,
                    fmt::format("the model gave {} outputs, {} were wanted", result->tensors.size(), wanted.size()));
    }
    for (std::size_t i = 0; i < result->tensors.size(); ++i) {
        const Tensor& tensor = result->tensors[i];
        if (tensor.type() != DataType::kBytes) continue;
        result->strings.resize(result->tensors.size());
        result->strings[i].assign(tensor.strings().begin(), tensor.strings().end());
    }
    return result;
}

Result<void> check_rows(const PassResult& result, const Session& session, std::span<const std::uint32_t> wanted,
                        std::uint32_t rows) {
    for (std::size_t i = 0; i < result.tensors.size(); ++i) {
        const Shape& shape = result.tensors[i].shape();
        if (shape.size() > 0 && shape[0] == rows) continue;
        return fail(
            ErrorCode::kInternal,
            fmt::format("output \"{}\" of the model came as {} for a batch of {} rows: it has no batch dimension",
                        session.outputs()[wanted[i]].name, shape.text(), rows));
    }
    return {};
}

Result<std::shared_ptr<const void>> take_rows(const std::shared_ptr<PassResult>& result, const BatcherOptions& options,
                                              std::span<const std::uint32_t> wanted, const RowsAt& at,
                                              std::vector<TensorView>& outputs) {
    outputs.clear();
    std::shared_ptr<PassResult> own;  // Copies, where a padded output is cut.
    for (std::size_t i = 0; i < result->tensors.size(); ++i) {
        const Tensor& tensor = result->tensors[i];
        TensorView view{.type = tensor.type(), .shape = tensor.shape(), .bytes = tensor.bytes(), .strings = {}};
        if (tensor.type() == DataType::kBytes)
            view = {.type = tensor.type(), .shape = tensor.shape(), .bytes = {}, .strings = result->strings[i]};
        if (at.all) {
            outputs.push_back(view);
            continue;
        }
        view.shape.set(0, at.count);
        const std::size_t row_bytes = view.bytes.size() / at.pass_rows;
        const std::size_t row_strings = view.strings.size() / at.pass_rows;
        view.bytes = view.bytes.subspan(at.first * row_bytes, at.count * row_bytes);
        view.strings = view.strings.subspan(at.first * row_strings, at.count * row_strings);
        const bool cut = wanted[i] < options.cut_outputs.size() && options.cut_outputs[wanted[i]] &&
                         at.tokens < at.longest && view.shape.size() > 1 && view.shape[1] == at.longest &&
                         tensor.type() != DataType::kBytes;
        if (cut) {
            if (own == nullptr) {
                own = std::make_shared<PassResult>();
                own->owners.emplace_back(result);
            }
            view.shape.set(1, at.tokens);
            TG_TRY(Tensor copy, Tensor::make(view.type, view.shape, kNoLimit));
            const std::size_t length = row_bytes / at.longest * at.tokens;
            for (std::uint32_t row = 0; row < at.count; ++row) {
                std::ranges::copy(view.bytes.subspan(row * row_bytes, length),
                                  copy.bytes().begin() + static_cast<std::ptrdiff_t>(row * length));
            }
            own->tensors.push_back(std::move(copy));
            view.bytes = std::as_const(own->tensors.back()).bytes();
        }
        outputs.push_back(view);
    }
    if (own != nullptr) return std::shared_ptr<const void>(std::move(own));
    return std::shared_ptr<const void>(result);
}

Result<void> check_request(const BatchRequest& request, const BatcherOptions& options, std::size_t inputs,
                           std::size_t outputs) {
    const auto bad = [](std::string what) { return fail(ErrorCode::kInvalidArgument, std::move(what)); };
    if (request.inputs.size() != inputs) {
        return bad(fmt::format("{} inputs were given, the model has {}", request.inputs.size(), inputs));
    }
    if (request.rows == 0) return bad("a request of 0 rows");
    for (const std::uint32_t output : request.wanted) {
        if (output >= outputs) return bad(fmt::format("output {} was asked for, the model has {}", output, outputs));
    }
    for (std::size_t i = 0; i < inputs; ++i) {
        const TensorView& input = request.inputs[i];
        TG_TRY(const std::uint64_t elements, input.shape.elements());
        const bool strings = input.type == DataType::kBytes;
        const std::uint64_t given = strings ? input.strings.size() : input.bytes.size();
        const std::uint64_t needed = strings ? elements : elements * element_size(input.type);
        if (given != needed) {
            return bad(fmt::format("input {} of shape {} needs {} {}, {} were given", i, input.shape.text(), needed,
                                   strings ? "strings" : "bytes", given));
        }
        if (!options.batches) continue;
        if (input.shape.size() == 0 || input.shape[0] != request.rows) {
            return bad(
                fmt::format("input {} has the shape {}, the request has {} rows", i, input.shape.text(), request.rows));
        }
        const bool pads = i < options.pad_inputs.size() && options.pad_inputs[i].pads;
        if (pads && (input.shape.size() < 2 || input.shape[1] != request.tokens || request.tokens == 0)) {
            return bad(fmt::format("input {} has the shape {}, the request has sequences of {} tokens", i,
                                   input.shape.text(), request.tokens));
        }
    }
    return {};
}

}  // namespace tidegate::model
