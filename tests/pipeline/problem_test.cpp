// What a problem document promises: RFC 9457's members and ours, and one status for each code.
#include "pipeline/problem.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace tidegate::pipeline {
namespace {

TEST(Problem, CarriesEveryMemberOfTheContract) {
    const std::vector<FieldError> errors{{"items[3].text", "must not be empty", "too_short"}};
    const http::Response response = problem_response({.status = 422,
                                                      .error = "validation_failed",
                                                      .detail = "d",
                                                      .request_id = "r-1",
                                                      .path = "/p",
                                                      .errors = &errors});
    EXPECT_EQ(response.status, 422);
    EXPECT_EQ(response.headers.get("content-type"), "application/problem+json");
    const auto document = json::parse(response.body);
    ASSERT_TRUE(document.has_value());
    const json::Value root = document->root();
    EXPECT_EQ(root.find("type")->as_string(), "urn:tidegate:error:validation_failed");
    EXPECT_FALSE(root.find("title")->as_string().empty());
    EXPECT_EQ(root.find("status")->as_int(), 422);
    EXPECT_EQ(root.find("detail")->as_string(), "d");
    EXPECT_EQ(root.find("error")->as_string(), "validation_failed");
    EXPECT_EQ(root.find("request_id")->as_string(), "r-1");
    EXPECT_EQ(root.find("path")->as_string(), "/p");
    std::string out;
    json::append(out, *root.find("errors"));
    EXPECT_EQ(out, R"([{"field":"items[3].text","message":"must not be empty","type":"too_short"}])");
}

TEST(Problem, TellsWhenToAskAgainOnlyWhereWaitingHelps) {
    EXPECT_EQ(problem_response({.status = 503}, 7).headers.get("Retry-After"), "7");
    EXPECT_EQ(problem_response({.status = 429}).headers.get("Retry-After"), "1");
    EXPECT_FALSE(problem_response({.status = 500}).headers.get("Retry-After").has_value());
}

TEST(Problem, EveryCodeHasAStatusOfItsClass) {
    EXPECT_EQ(status_of(ErrorCode::kInvalidArgument), 400);
    EXPECT_EQ(status_of(ErrorCode::kFailedValidation), 422);
    EXPECT_EQ(status_of(ErrorCode::kConflict), 409);
    EXPECT_EQ(status_of(ErrorCode::kCancelled), 499);
    EXPECT_EQ(status_of(ErrorCode::kUnavailable), 503);
    EXPECT_EQ(status_of(ErrorCode::kDataLoss), 500);
    for (const int status : {404, 413, 415, 503}) EXPECT_EQ(status_of(code_of_status(status)), status);
}

TEST(Problem, EachFamilyOfClientsReadsItsOwnShape) {
    const std::vector<FieldError> errors{{"input", "is required", "missing"}, {"model", "must be text", "wrong_type"}};
    const Problem plain{
        .status = 404, .error = "not_found", .detail = "no model of that name", .request_id = {}, .path = {}};
    const Problem fields{.status = 422, .error = "validation_failed", .detail = "d", .errors = &errors};
    const Problem busy{.status = 503, .error = "unavailable", .detail = "too many wait"};
    EXPECT_EQ(error_response(ErrorShape::kInference, plain).body, R"({"error":"no model of that name"})");
    EXPECT_EQ(error_response(ErrorShape::kInference, fields).body,
              R"({"error":"`input` is required; `model` must be text"})");
    EXPECT_EQ(
        error_response(ErrorShape::kOpenAi, plain).body,
        R"({"error":{"message":"no model of that name","type":"invalid_request_error","param":null,"code":"not_found"}})");
    EXPECT_EQ(
        error_response(ErrorShape::kOpenAi, fields).body,
        R"({"error":{"message":"`input` is required; `model` must be text","type":"invalid_request_error","param":"input","code":"validation_failed"}})");
    EXPECT_EQ(error_response(ErrorShape::kTextEmbeddings, busy).body,
              R"({"error":"too many wait","error_type":"Overloaded"})");
    EXPECT_EQ(error_response(ErrorShape::kOpenAi, busy, 9).headers.get("Retry-After"), "9");
    EXPECT_EQ(error_response(ErrorShape::kInference, busy).headers.get("Content-Type"), "application/json");
    EXPECT_EQ(error_response(ErrorShape::kProblem, busy).headers.get("Content-Type"), "application/problem+json");
}

TEST(Problem, WhoAsksAPathThatNobodyHasIsAnsweredInTheShapeOfItsFamily) {
    EXPECT_EQ(shape_of_path("/v2"), ErrorShape::kInference);
    EXPECT_EQ(shape_of_path("/v2/models"), ErrorShape::kInference);
    EXPECT_EQ(shape_of_path("/v1/chat/completions"), ErrorShape::kOpenAi);
    EXPECT_EQ(shape_of_path("/v2x"), ErrorShape::kProblem);
    EXPECT_EQ(shape_of_path("/api/v1/detect/text"), ErrorShape::kProblem);
}

}  // namespace
}  // namespace tidegate::pipeline
