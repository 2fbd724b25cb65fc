// The board page: brings its parts to life.
import { enableAsking } from "./ask.js";
import { makeFirstCardsReachable } from "./columns.js";
import { enableDone } from "./done.js";
import { enableDragging } from "./drag.js";
import { enableFolding } from "./folding.js";
import { enableKeyboard } from "./keyboard.js";
import { enableMoveDialog } from "./move_dialog.js";
import { enableSaving } from "./moves.js";
import { enableQuickCreate } from "./quick_create.js";
import { enableSelection } from "./selection.js";
import { startFollowing } from "./updates.js";

makeFirstCardsReachable();
enableSelection();
enableDragging();
enableFolding();
enableKeyboard();
enableMoveDialog();
enableSaving();
enableAsking();
enableDone();
enableQuickCreate();
startFollowing();
