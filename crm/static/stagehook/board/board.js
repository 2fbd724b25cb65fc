// The board page: brings its parts to life.
import { enableAsking } from "../bulk/ask.js";
import { enableDone } from "../bulk/done.js";
import { makeFirstCardsReachable } from "./columns.js";
import { enableDragging } from "./drag.js";
import { enableFolding } from "./folding.js";
import { enableKeyboard } from "./keyboard.js";
import { enableMoveDialog } from "./move_dialog.js";
import { enableSaving } from "./moves.js";
import { enableQuickCreate } from "./quick_create.js";
import { enableSelection } from "./selection.js";
import { refresh, startFollowing } from "./updates.js";

makeFirstCardsReachable();
enableSelection();
enableDragging();
enableFolding();
enableKeyboard();
enableMoveDialog();
enableSaving();
enableAsking();
enableDone(refresh);
enableQuickCreate();
startFollowing();
