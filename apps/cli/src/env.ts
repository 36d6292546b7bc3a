import { databaseVariables } from "@repo/db";
import { EnvironmentError, readEnvironment } from "@repo/environment";
import { infisicalVariables } from "@repo/infisical";
import { z } from "zod";
import { UsageError } from "./failure.ts";
