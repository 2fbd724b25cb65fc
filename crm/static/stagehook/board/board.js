// The board page: brings its parts to life.
import { makeFirstCardsReachable } from "./columns.js";
import { enableDragging } from "./drag.js";
import { enableFolding } from "./folding.js";
import { enableKeyboard } from "./keyboard.js";
import { enableMoveDialog } from "./move_dialog.js";
import { enableQuickCreate } from "./quick_create.js";
import { startFollowing } from "./updates.js";

makeFirstCardsReachable();
enableDragging();
enableFolding();
enableKeyboard();
enableMoveDialog();
enableQuickCreate();
startFollowing();
