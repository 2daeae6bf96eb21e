export { LabError, type ErrorCode } from "./base/errors.ts";
